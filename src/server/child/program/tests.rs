use std::string::ToString;

use super::*;

/// Checks the message for each program that cannot be run.
#[test]
#[cfg_attr(miri, ignore = "it has no access()")]
fn each_program_that_cannot_be_run_is_told_with_a_hint() {
    let path = "give its path, or put its directory into PATH";
    let access = "the server's user must be able to run it (chmod +x), and to enter its directories";
    for (name, told) in [
        (c"", "the program: it has no name; name one"),
        (c"no-such-program", &*std::format!("cannot run no-such-program: No such file or directory; {path}")),
        (c"/no/such", &std::format!("cannot run /no/such: No such file or directory; {path}")),
        (c"/etc/passwd", &std::format!("cannot run /etc/passwd: Permission denied; {access}")),
        (c"/tmp", &std::format!("cannot run /tmp: Permission denied; {access}")),
        (c"/etc/passwd/x", "cannot run /etc/passwd/x: Not a directory"),
    ] {
        let error = Program::new([name].into_iter(), &Settings::new()).err().unwrap();
        assert_eq!((error.to_string(), error.is_usage()), (told.to_string(), name.is_empty()));
    }
    assert_eq!(
        Program::new([].into_iter(), &Settings::new()).err().unwrap().to_string(),
        "the program: it has no name; name one"
    );
}
