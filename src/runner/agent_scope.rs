//! The scope of what ends up on an agent's command line.

use std::borrow::Cow;

use crate::values::{LayerKind, Reference, RunScope, Scope};

/// A scope in which bare names do not reach secrets and values of a container.
///
/// A shell-like `$TOKEN` in a prompt would otherwise put the secret on the command line, for everybody on the machine to
/// read. It stays as it is, for the agent's own shell, which has the variable. A reference in braces does reach them:
/// whoever writes `${env.TOKEN}` has asked for it.
pub(super) struct AgentScope<'a> {
    full: &'a RunScope,
    open: RunScope,
}

impl<'a> AgentScope<'a> {
    pub(super) fn new(full: &'a RunScope) -> Self {
        Self { full, open: full.without(&[LayerKind::Secrets, LayerKind::ContainerEnv]) }
    }
}

impl Scope for AgentScope<'_> {
    fn reference(&self, reference: &Reference) -> Option<Cow<'_, str>> {
        self.full.reference(reference)
    }

    /// A name that a secret has covered is as good as the secret's.
    fn declared(&self, name: &str) -> Option<Cow<'_, str>> {
        self.full.declared(name).filter(|value| self.open.declared(name).as_ref() == Some(value))
    }

    /// Asked for references in braces only, once `declared` has nothing: bare names are not resolved from here.
    fn inherited(&self, name: &str) -> Option<Cow<'_, str>> {
        self.full.declared(name).or_else(|| self.full.inherited(name))
    }

    fn process(&self, name: &str) -> Option<Cow<'_, str>> {
        self.full.process(name)
    }

    fn positional(&self, number: usize) -> Option<Cow<'_, str>> {
        self.full.positional(number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::values::{Policy, resolve};

    #[test]
    fn bare_names_do_not_reach_secrets() {
        let mut scope = RunScope::new(HashMap::from([("HOST".to_owned(), "host".to_owned())]));
        scope.set(LayerKind::Inherited, "HOME", "/home/me");
        scope.set(LayerKind::Env, "WHO", "Ann");
        scope.set(LayerKind::Env, "COVERED", "old");
        scope.set(LayerKind::Secrets, "TOKEN", "hunter2");
        scope.set(LayerKind::Secrets, "COVERED", "new");
        scope.set(LayerKind::ContainerEnv, "KEY", "k");
        let agent = AgentScope::new(&scope);
        let resolved = |text: &str| resolve(text, Policy::Scope, &agent);
        assert_eq!(resolved("$WHO ${WHO} ${env.WHO}"), "Ann Ann Ann");
        assert_eq!(resolved("$TOKEN ${TOKEN} ${TOKEN:-x}"), "$TOKEN ${TOKEN} ${TOKEN:-x}");
        assert_eq!(resolved("$KEY $COVERED"), "$KEY $COVERED");
        assert_eq!(resolved("${env.TOKEN} ${env.KEY} ${env.COVERED}"), "hunter2 k new");
        assert_eq!(resolved("$HOME $HOST ${env.HOME} ${env.HOST}"), "$HOME $HOST /home/me ${env.HOST}");
    }
}
