use std::ffi::CString;
use std::process::Command;
use std::string::ToString;

use super::*;

/// Checks the message for each pidfile that is not that of a server.
#[test]
#[cfg_attr(miri, ignore = "it has no processes")]
fn each_pidfile_of_no_server_is_told_with_a_hint() {
    let path = std::env::temp_dir().join(std::format!("mpserv-status-{}", std::process::id()));
    let name = CString::new(path.to_str().unwrap()).unwrap();
    let told = || show(&name, StatusFormat::Json, false).unwrap_err().to_string();
    let start = std::format!("pidfile {}: ", path.display());
    assert_eq!(told(), start.clone() + "No such file or directory; name that of the server");
    for text in ["", "x", "0", "-1", "1 2", "2147483648"] {
        std::fs::write(&path, text).unwrap();
        let hint = "it holds no process id; an empty pidfile means that its server has stopped";
        assert_eq!(told(), start.clone() + hint, "{text:?}");
    }
    let mut other = Command::new("sleep").arg("10").spawn().unwrap();
    std::fs::write(&path, std::format!("{}\n", other.id())).unwrap();
    let no_server = std::format!("process {}: this is no mpserv that serves; ", other.id());
    assert_eq!(told(), no_server.clone() + "name the pidfile of a server");
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(told(), no_server + "it has ended");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_name_of_a_scoreboard_is_known_as_a_whole() {
    for (target, is_one) in [
        ("/memfd:mpserv-scoreboard (deleted)", true),
        ("/memfd:mpserv-scoreboard", false),
        ("/memfd:mpserv-scoreboard2 (deleted)", false),
        ("/memfd:mpserv-score (deleted)", false),
        ("memfd:mpserv-scoreboard (deleted)", false),
        ("/mpserv-scoreboard (deleted)", false),
        ("", false),
    ] {
        assert_eq!(is_scoreboard(target.as_bytes()), is_one, "{target}");
    }
}
