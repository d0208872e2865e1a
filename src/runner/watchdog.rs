//! Ends what we started should we die without having tidied up.
//!
//! A small shell process of its own group holds the other end of a pipe and a list of process groups. When the pipe
//! closes, which the kernel sees to however we end, it kills the groups still on the list.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::unistd::Pid;

/// `+ GROUP` adds, `- GROUP` removes; at the end of input everything left is killed.
const SCRIPT: &str = r#"trap '' INT TERM HUP QUIT
groups=
while read -r op group; do
  case $op in
  +) groups="$groups $group" ;;
  -) kept=
     for each in $groups; do [ "$each" = "$group" ] || kept="$kept $each"; done
     groups=$kept ;;
  esac
done
for each in $groups; do kill -KILL "-$each" 2>/dev/null; done
exit 0
"#;

/// A running watchdog; it ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Watchdog {
    pipe: Arc<Mutex<ChildStdin>>,
}

impl Watchdog {
    /// # Errors
    /// When `/bin/sh` cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "saddler-watchdog"])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take().expect("stdin was asked for");
        // Reaped in the background: it ends after us, or right after the last clone of its pipe is gone.
        std::thread::spawn(move || child.wait());
        Ok(Self { pipe: Arc::new(Mutex::new(pipe)) })
    }

    /// Puts a process group on the list for as long as the guard lives.
    pub fn watch(&self, group: Pid) -> Watched {
        self.say('+', group);
        Watched { watchdog: self.clone(), group }
    }

    fn say(&self, op: char, group: Pid) {
        let mut pipe = self.pipe.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A watchdog that was killed costs its protection, not the run.
        let _ = writeln!(pipe, "{op} {group}");
    }
}

/// Takes its process group off the list when dropped.
#[derive(Debug)]
pub struct Watched {
    watchdog: Watchdog,
    group: Pid,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watchdog.say('-', self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_still_listed_end_with_the_pipe() {
        let start = || Command::new("sleep").arg("60").process_group(0).spawn().expect("sleep starts");
        let (mut kept, mut dropped) = (start(), start());
        let group = |child: &std::process::Child| Pid::from_raw(child.id() as i32);
        let watchdog = Watchdog::start().expect("the watchdog starts");
        std::mem::forget(watchdog.watch(group(&kept)));
        drop(watchdog.watch(group(&dropped)));
        // The forgotten guard holds a clone; closing the pipe stands for our death.
        let pipe = Arc::clone(&watchdog.pipe);
        let raw = std::mem::replace(&mut *pipe.lock().expect("not poisoned"), spare_pipe());
        drop(raw);
        assert!(!kept.wait().expect("it ends").success());
        assert!(dropped.try_wait().expect("it can be asked").is_none());
        dropped.kill().expect("it is ours");
        dropped.wait().expect("it ends");
    }

    fn spare_pipe() -> ChildStdin {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().expect("true starts");
        let pipe = child.stdin.take().expect("stdin was asked for");
        child.wait().expect("it ends");
        pipe
    }
}
