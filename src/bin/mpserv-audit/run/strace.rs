//! The strace on this machine, and the meaning of its complaints.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::trouble::Trouble;

/// The strace on this machine.
#[derive(Debug)]
pub struct Strace {
    pub path: PathBuf,
    /// The first line that `strace -V` prints.
    pub version: String,
    /// Whether this strace can show stacks.
    pub has_stacks: bool,
}

/// The longest string that strace is asked to show.
pub const STRING_MAX: usize = 65535;

/// The hint that shows how to install strace.
const INSTALL: &str = "install it with: apt-get install strace";

impl Strace {
    /// Looks for strace as a shell does.
    pub fn find() -> Result<Self, Trouble> {
        let missing = || Trouble::new(format!("strace is not installed; {INSTALL}"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|directory| directory.join("strace"));
        let path = places.find(|place| place.is_file()).ok_or_else(missing)?;
        let output = Command::new(&path).arg("-V").stdin(Stdio::null()).output();
        let output = output.map_err(|error| Trouble::of(path.display(), error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().unwrap_or_default().to_owned();
        if !version.starts_with("strace") {
            return Err(Trouble::new(format!("{} is not the strace that is meant; {INSTALL}", path.display())));
        }
        let has_stacks = text.contains("stack-trace=");
        Ok(Strace { path, version, has_stacks })
    }
}

/// Checks that the program was started under strace. The error is strace's complaint.
pub fn check(command: &str, complaint: &str, first: &[u8]) -> Result<(), Trouble> {
    let began = first.starts_with(b"execve(") && first.ends_with(b"= 0");
    if began {
        return Ok(());
    }
    let of_strace = |line: &&str| line.contains("strace: ");
    let said: Vec<&str> = complaint.lines().filter(of_strace).collect();
    let said = match (said.is_empty(), first.is_empty()) {
        (false, _) => said.join("; "),
        (true, true) => "there is no trace, and strace said nothing about it".to_owned(),
        (true, false) => format!("the trace begins with {}", String::from_utf8_lossy(first)),
    };
    if said.contains("ptrace(") && said.contains("not permitted") {
        return Err(Trouble::new(format!(
            "strace may not trace here ({said}). In a container: start it with --cap-add=SYS_PTRACE. Else: as root, \
             sysctl kernel.yama.ptrace_scope=1"
        )));
    }
    Err(Trouble::new(format!("{command} does not start: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_did_not_start_is_told_with_all_that_strace_said() {
        let told =
            |complaint: &str, first: &[u8]| check("'x'", complaint, first).err().map(|trouble| trouble.to_string());
        assert_eq!(told("", b"execve(\"x\", [\"x\"], []) = 0"), None);
        let other = |first: &str| format!("'x' does not start: the trace begins with {first}");
        let refused = "execve(\"x\", [\"x\"], []) = -1 ENOENT";
        assert_eq!(told("x: usage\n", refused.as_bytes()), Some(other(refused)));
        assert_eq!(told("", b"read(0) = 0"), Some(other("read(0) = 0")));
        let nothing = "'x' does not start: there is no trace, and strace said nothing about it";
        assert_eq!(told("x: usage\n", b"").as_deref(), Some(nothing));
        let two = "a\nstrace: exec: Permission denied\nb\nstrace: more\n";
        assert_eq!(
            told(two, b"").as_deref(),
            Some("'x' does not start: strace: exec: Permission denied; strace: more")
        );
        let forbidden = told("/usr/bin/strace: ptrace(PTRACE_SEIZE, 7): Operation not permitted\n", b"").unwrap();
        assert_eq!(
            forbidden,
            "strace may not trace here (/usr/bin/strace: ptrace(PTRACE_SEIZE, 7): Operation not permitted). In a \
             container: start it with --cap-add=SYS_PTRACE. Else: as root, sysctl kernel.yama.ptrace_scope=1"
        );
        let other = told("strace: open: Operation not permitted\n", b"").unwrap();
        assert_eq!(other, "'x' does not start: strace: open: Operation not permitted");
    }
}
