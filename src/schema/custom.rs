//! Actions that a workflow defines itself: their definitions, and the steps that call them.

use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::fault::{Faults, On, Path, Segment, code};
use super::node::{self, Shape};
use super::render;
use super::step::{self, Place, Step};
use super::surroundings::Surroundings;
use super::{action, kind, words};

const ACTION: Shape = Shape::new("action-definition", "actions.<name>");
const STEP_TYPE: Shape = Shape::new("step-type-definition", "step_types.<name>");

/// Fields of a step that a call of a custom action may not set.
const REFUSED: &[&str] = &["container", "parallel", "working_dir"];

/// How deep actions may call each other before it counts as a circle.
const MAX_DEPTH: usize = 32;

/// A chain of calls, innermost first.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    name: &'a str,
    from: Option<&'a Call<'a>>,
}

impl Call<'_> {
    fn holds(&self, name: &str) -> bool {
        self.name == name || self.from.is_some_and(|from| from.holds(name))
    }

    fn depth(&self) -> usize {
        1 + self.from.map_or(0, Call::depth)
    }
}

/// Checks every definition under `actions` or `step_types`.
pub fn definitions(section: &str, map: &Map<String, Value>, out: &mut Faults) {
    let root = Path::ROOT;
    let path = root.key(section);
    for (name, definition) in map {
        let path = path.key(name);
        let taken =
            if section == "actions" { action::builtin(name).is_some() } else { kind::Kind::of_type(name).is_some() };
        if taken {
            let message = format!("`{name}` is built in and cannot be defined");
            out.error(&path, On::Key, code::INVALID_VALUE, message).help("choose another name");
        }
        self::definition(section, definition, &path, out);
    }
}

fn definition(section: &str, definition: &Value, path: &Path, out: &mut Faults) {
    let shape = if section == "actions" { ACTION } else { STEP_TYPE };
    node::check(shape, definition, path, out);
    let Value::Object(map) = definition else { return };
    if let Some(schema @ Value::Object(rules)) = map.get("input_schema") {
        let path = path.key("input_schema");
        if rules.is_empty() {
            let message = "`input_schema` must describe an object";
            out.error(&path, On::Key, code::INVALID_VALUE, message).help("write `type: object` and `properties`");
        } else {
            object_schema(schema, &path, "`input_schema`", out);
        }
    }
    if let Some(schema) = map.get("output_schema").filter(|schema| schema.is_object()) {
        object_schema(schema, &path.key("output_schema"), "`output_schema`", out);
    }
    if let Some(Value::Object(template)) = map.get("template") {
        self::template(section, template, &path.key("template"), out);
    }
}

/// The template says with one of `run` and `action` what the action does.
fn template(section: &str, template: &Map<String, Value>, path: &Path, out: &mut Faults) {
    if section != "actions" {
        if template.contains_key("type") {
            let message = "`type` belongs to the definition, not to its template";
            out.error(&path.key("type"), On::Key, code::CONFLICTING_FIELDS, message);
        }
        return;
    }
    if template.contains_key("foreach") {
        let message = "a loop cannot be the template of an action";
        out.error(&path.key("foreach"), On::Key, code::UNSUPPORTED_FIELD, message);
        return;
    }
    match (template.contains_key("run"), template.contains_key("action")) {
        (true, true) => {
            let message = "`action` cannot stand beside `run`";
            let fault = out.error(&path.key("action"), On::Key, code::CONFLICTING_FIELDS, message);
            fault.help("keep one of the two").related(&path.key("run"), "the other one");
        }
        (false, false) => {
            let older = template.keys().find(|key| is_legacy(key));
            let (place, on) = older.map_or((*path, On::Key), |key| (path.key(key), On::Key));
            let fault = out.error(&place, on, code::MISSING_FIELD, "a template needs `run` or `action`");
            if older.is_some() {
                fault.help("older forms of a step cannot be used in a template");
            }
        }
        _ => {
            for key in template.keys().filter(|key| is_legacy(key)) {
                let message = format!("`{key}` cannot be used in a template");
                out.error(&path.key(key), On::Key, code::CONFLICTING_FIELDS, message);
            }
        }
    }
}

fn is_legacy(key: &str) -> bool {
    matches!(
        key,
        "call"
            | "command"
            | "config"
            | "exec"
            | "llm"
            | "messages"
            | "params"
            | "routes"
            | "script"
            | "shell"
            | "shell_args"
            | "shell_packages"
            | "type"
            | "value"
    )
}

/// A schema must be one of an object; an empty one is taken as that.
pub fn object_schema(schema: &Value, path: &Path, subject: &str, out: &mut Faults) {
    let Value::Object(rules) = schema else { return };
    let kind_path = path.key("type");
    match rules.get("type") {
        Some(Value::String(kind)) if kind != "object" => {
            let message = format!("{subject} must describe an object, not `{kind}`");
            out.error(&kind_path, On::Value, code::INVALID_VALUE, message).help("write `type: object`");
        }
        _ => {}
    }
}

/// Compiles a schema of the user; `None` when it is not a valid one.
pub fn compile(schema: &Value) -> Option<Validator> {
    jsonschema::options().offline().build(schema).ok()
}

/// Why a value does not fit a user's schema, in a few words.
pub fn reason(error: &ValidationError) -> String {
    use jsonschema::error::ValidationErrorKind as Kind;
    let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
    let subject = if place.is_empty() { "the input".to_owned() } else { format!("`{place}`") };
    match error.kind() {
        Kind::Required { property } => format!("{subject} needs `{}`", property.as_str().unwrap_or_default()),
        Kind::AdditionalProperties { unexpected } => {
            format!("{subject} does not take {}", words::list(unexpected.iter().map(String::as_str), "and"))
        }
        Kind::Enum { options } => {
            let options: Vec<String> = options.as_array().into_iter().flatten().map(words::plain).collect();
            format!("{subject} must be one of {}", options.join(", "))
        }
        Kind::Type { .. } => format!("{subject} has the wrong type"),
        Kind::Minimum { limit } | Kind::ExclusiveMinimum { limit } => format!("{subject} must not be below {limit}"),
        Kind::Maximum { limit } | Kind::ExclusiveMaximum { limit } => format!("{subject} must not be above {limit}"),
        Kind::Pattern { pattern } => format!("{subject} must match `{pattern}`"),
        Kind::MinLength { limit } => format!("{subject} must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("{subject} must have at most {limit} characters"),
        other => format!("{subject} breaks the rule `{}`", other.keyword()),
    }
}

/// Checks a step that calls a custom action or step type: the input, and the step that the template makes of it.
pub fn call(step: &Step, name: &str, definition: &Value, own: bool, section: &str, path: &Path, out: &mut Faults) {
    let call = Call { name, from: step.around.calling };
    let circle = (section == "actions" && step.around.calling.is_none())
        .then(|| circle(name, step.around))
        .flatten()
        .or_else(|| step.around.calling.filter(|calling| calling.holds(name)).map(|_| name));
    if circle.is_some() || call.depth() > MAX_DEPTH {
        let name = circle.unwrap_or(name);
        out.error(path, On::Value, code::INVALID_VALUE, format!("the action `{name}` calls itself"));
        return;
    }
    for key in REFUSED.iter().filter(|key| step.get(key).is_some()) {
        let message = format!("`{key}` cannot be set where a custom action is called");
        let fault = out.error(&step.path.key(key), On::Key, code::UNSUPPORTED_FIELD, message);
        fault.help(format!("set it in the template of `{name}`"));
    }
    let (Some(Value::Object(template)), Some(schema)) = (definition.get("template"), definition.get("input_schema"))
    else {
        return; // Said at the definition.
    };
    let key = if step.get("with").is_none() && step.get("config").is_some() { "config" } else { "with" };
    let given = match step.get(key) {
        None => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => return, // Said by the schema.
    };
    let Some(validator) = compile(schema) else {
        let root = Path::ROOT;
        let (section, definition) = (root.key(section), name);
        let definition = section.key(definition);
        let message = format!("the schema of `{name}` is not valid, and the action is called");
        if own {
            let place = definition.key("input_schema");
            if !out.iter().any(|fault| fault.message == message) {
                out.error(&place, On::Key, code::INVALID_VALUE, message);
            }
        } else {
            out.error(path, On::Value, code::INVALID_VALUE, message);
        }
        return;
    };
    let mut input = Value::Object(given.clone());
    render::apply_defaults(schema, &mut input);
    let with_path = step.path.key(key);
    let start = out.len();
    for error in validator.iter_errors(&input) {
        if !render::stands_in(error.instance()) {
            input_fault(&error, &given, name, path, &with_path, out);
        }
    }
    if out.len() == start {
        made(step, &call, template, &input, definition, own, section, path, out);
    }
}

/// The first action that comes round again when templates are followed from `name`.
fn circle<'a>(name: &'a str, around: &Surroundings<'a>) -> Option<&'a str> {
    let mut seen = vec![name];
    let mut at = name;
    loop {
        let (definition, _) = around.actions.get(at)?;
        at = definition.get("template")?.get("action")?.as_str()?.trim();
        if seen.contains(&at) {
            return Some(at);
        }
        seen.push(at);
    }
}

fn input_fault(
    error: &ValidationError,
    given: &Map<String, Value>,
    name: &str,
    named: &Path,
    with: &Path,
    out: &mut Faults,
) {
    use jsonschema::error::ValidationErrorKind as Kind;
    let message = format!("the input of `{name}` does not fit: {}", reason(error));
    if let Kind::AdditionalProperties { unexpected } = error.kind()
        && error.instance_path().is_empty()
    {
        for key in unexpected {
            let message = format!("`{name}` has no input `{key}`");
            out.error(&with.key(key), On::Key, code::CUSTOM_ACTION_INPUT, message);
        }
        return;
    }
    let first = error.instance_path().as_str().split('/').nth(1).unwrap_or_default().to_owned();
    if let Some(value) = given.get(&first) {
        out.error(&with.key(&first), On::of(value), code::CUSTOM_ACTION_INPUT, message);
    } else if given.is_empty() {
        out.error(named, On::Value, code::CUSTOM_ACTION_INPUT, message);
    } else {
        out.error(with, On::Missing, code::CUSTOM_ACTION_INPUT, message);
    }
}

/// Fills in the template and checks the step it makes. Faults are told at the template when it is in this document.
#[expect(clippy::too_many_arguments, reason = "the parts of one call, used once")]
fn made(
    step: &Step,
    call: &Call,
    template: &Map<String, Value>,
    input: &Value,
    definition: &Value,
    own: bool,
    section: &str,
    path: &Path,
    out: &mut Faults,
) {
    let root = Path::ROOT;
    let section_path = root.key(section);
    let definition_path = section_path.key(call.name);
    let template_path = definition_path.key("template");
    let mut broken = Vec::new();
    let rendered = render::template(template, input, &mut Vec::new(), &mut broken);
    let place = |inner: &[Segment]| {
        let mut at = template_path.segments();
        at.extend(inner.iter().cloned());
        if own { at } else { path.segments() }
    };
    for (inner, message) in &broken {
        let fault = super::fault::Fault::error(place(inner), On::Value, code::CUSTOM_ACTION_INPUT, message.clone());
        push_once(fault, path, out);
    }
    if !broken.is_empty() {
        return;
    }
    let mut whole = rendered.clone();
    for (key, value) in step.map {
        if !matches!(key.as_str(), "action" | "with" | "env" | "preconditions" | "type" | "config") {
            whole.insert(key.clone(), value.clone());
        }
    }
    if section == "step_types"
        && let Some(kind) = definition.get("type")
    {
        whole.insert("type".to_owned(), kind.clone());
    }
    let around = Surroundings { calling: Some(call), ..*step.around };
    let mut inner = Faults::default();
    step::check(&Value::Object(whole), &Path::ROOT, &around, Place::Rendered, &mut inner);
    for mut fault in inner.into_vec() {
        let from_template = match fault.path.first() {
            Some(Segment::Key(key)) => rendered.contains_key(key),
            _ => true,
        };
        // A definition below this one has placed its faults already; what the call itself sets is checked there.
        let placed = fault.related.iter().any(|(_, message)| message == CALLED);
        if fault.severity != crate::diagnostic::Severity::Error || !(from_template || placed) {
            continue;
        }
        if !placed {
            fault.path = place(&fault.path);
            for related in &mut fault.related {
                related.0 = place(&related.0);
            }
            if !own {
                fault.on = On::Value;
            }
        }
        push_once(fault, path, out);
    }
}

const CALLED: &str = "called here";

/// Several calls of one definition would tell the same fault several times.
fn push_once(mut fault: super::fault::Fault, call: &Path, out: &mut Faults) {
    if out.iter().any(|other| other.path == fault.path && other.message == fault.message) {
        return;
    }
    fault.related.retain(|(_, message)| message != CALLED);
    fault.related.push((call.segments(), CALLED.to_owned()));
    out.push(fault);
}
