//! Signals for the processes of one exec. The API cannot signal an exec, so each of ours carries a random token in its
//! environment, and a script inside the container finds the token again.
//!
//! The script needs `sh` and nothing else: it reads `/proc` with the shell's own words. It takes the processes that
//! carry the token, their descendants (which may have cleared their environment) and the groups they lead.

use futures_util::TryStreamExt;

use super::{Engine, EngineError, ExecSpec, Fault, Stream};

/// The variable that marks the processes of an exec.
pub const EXEC_TOKEN: &str = "SADDLER_EXEC_TOKEN";
/// The variable by which the script is told whom to look for. Its own processes must not carry [`EXEC_TOKEN`].
pub const SIGNAL_TOKEN: &str = "SADDLER_SIGNAL_TOKEN";

/// `$1` is the signal. A token is random, so that it may be searched for as a part of the text: shells drop the NULs
/// between the entries.
const SCRIPT: &str = r#"
want="SADDLER_EXEC_TOKEN=$SADDLER_SIGNAL_TOKEN"
carries() {
  while IFS= read -r text || [ -n "$text" ]; do
    case $text in *"$want"*) exit 0 ;; esac
  done <"$1"
  exit 1
}
all= found=' '
for dir in /proc/[0-9]*; do
  pid=${dir#/proc/} line=
  { read -r line <"$dir/stat"; } 2>/dev/null
  set -- "$1" ${line##*) }
  case $3$4 in '' | *[!0-9]*) continue ;; esac
  all="$all$pid:$3:$4 "
  if (carries "$dir/environ") 2>/dev/null; then found="$found$pid "; fi
done
grown=1
while [ "$grown" ]; do
  grown=
  for entry in $all; do
    pid=${entry%%:*} rest=${entry#*:}
    case $found in *" $pid "*) continue ;; esac
    case $found in *" ${rest%%:*} "* | *" ${rest#*:} "*) found="$found$pid " grown=1 ;; esac
  done
done
if [ "$found" = ' ' ]; then echo none; else kill -"$1" $found 2>/dev/null; echo sent; fi
"#;

/// Sends `signal` (`TERM`, `KILL`, …) to the exec that carries `token`, all its descendants and groups included.
/// Answers false when no process of it is left. `user` must be the user of the exec: only that user may look at its
/// environment.
///
/// # Errors
/// The engine's, or [`EngineError::Exec`] when the script could not run, as in a container without `sh`.
pub async fn signal_exec(
    engine: &dyn Engine,
    container: &str,
    user: Option<&str>,
    token: &str,
    signal: &str,
) -> Result<bool, EngineError> {
    let spec = ExecSpec {
        argv: ["sh", "-c", SCRIPT, "sh", signal].map(str::to_owned).to_vec(),
        env: vec![(SIGNAL_TOKEN.to_owned(), token.to_owned())],
        user: user.map(str::to_owned),
        working_dir: Some("/".to_owned()),
        ..Default::default()
    };
    // Reading to the end is how the script's end is noticed: Podman never reports that of a detached exec.
    let exec = engine.exec(container, &spec).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut output = exec.output;
    while let Some(frame) = output.try_next().await? {
        match frame.stream {
            Stream::Stdout => stdout.extend_from_slice(&frame.bytes),
            Stream::Stderr => stderr.extend_from_slice(&frame.bytes),
        }
    }
    match String::from_utf8_lossy(&stdout).trim() {
        "sent" => Ok(true),
        "none" => Ok(false),
        other => {
            let said = format!("{other} {}", String::from_utf8_lossy(&stderr).trim());
            let message = format!("the script that signals a command did not run (it needs `sh`): {}", said.trim());
            Err(EngineError::Exec { container: container.to_owned(), fault: Fault::new(message) })
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    fn sweep(shell: &[&str], token: &str, signal: &str) -> String {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", SCRIPT, "sh", signal])
            .env(SIGNAL_TOKEN, token)
            .env_remove(EXEC_TOKEN)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn the_script_finds_carriers_and_descendants_without_an_environment() {
        let token = format!("{:016x}", rand::random::<u64>());
        let mut carrier = Command::new("sh")
            .args(["-c", "env -i sleep 60 & echo $!; wait"])
            .env(EXEC_TOKEN, &token)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(carrier.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let child = format!("/proc/{}", line.trim());
        assert!(std::path::Path::new(&child).exists());
        assert_eq!(sweep(&["sh"], "0000", "TERM"), "none");
        assert_eq!(sweep(&["sh"], &token, "KILL"), "sent");
        carrier.wait().unwrap();
        let gone = || std::fs::read_to_string(format!("{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..50 {
            if gone() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(gone(), "the child without a token is still there");
        assert_eq!(sweep(&["sh"], &token, "KILL"), "none");
    }
}
