use std::string::ToString;

use super::*;

#[test]
fn a_text_that_was_cut_ends_in_a_mark() {
    let told = |text: &str| Error::new(format_args!("{text}"), Reason::System(Errno::NOENT), "").to_string();
    // Miri's strerror_r() has other texts.
    let reason = Errno::NOENT.to_string();
    let (whole, cut) = ("x".repeat(ERROR_MAX), "x".repeat(ERROR_MAX - 3) + "...: " + &reason);
    assert_eq!(told(&whole), whole.clone() + ": " + &reason);
    assert_eq!(told(&(whole + "x")), cut);
    // A character is left out as a whole.
    let text = "x".repeat(ERROR_MAX - 4) + "\u{e4}xxx";
    assert_eq!(text.len(), ERROR_MAX + 1);
    assert_eq!(told(&text), "x".repeat(ERROR_MAX - 4) + "...: " + &reason);
}

#[test]
fn each_shortage_has_its_hint() {
    for (errno, hint) in [
        (Errno::MFILE, "allow more open files: ulimit -n, LimitNOFILE="),
        (Errno::NFILE, "allow more open files on this machine: sysctl fs.file-max"),
        (Errno::FBIG, "allow larger files: ulimit -f, LimitFSIZE="),
        (Errno::AGAIN, "allow more processes: ulimit -u, TasksMax="),
        (Errno::NOMEM, "give the machine more memory, or lower --max-children"),
        (Errno::NOBUFS, "give the machine more memory, or lower --max-children"),
        (Errno::PERM, ""),
    ] {
        assert_eq!(shortage_hint(errno), hint, "{errno}");
    }
}
