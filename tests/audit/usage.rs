//! Tests the command line.

use super::*;

#[test]
fn the_normalizations_are_listed_with_their_reasons() {
    let out = assert_output(&["--normalizations"]);
    for name in [
        "process-id",
        "pointer",
        "thread-block",
        "ephemeral-port",
        "own-path",
        "random",
        "time",
        "usage",
        "own-segments",
        "endless",
    ] {
        assert!(out.lines().any(|line| line == name), "{name}");
    }
    assert!(out.matches("  why:  ").count() >= 8);
}

#[test]
fn help_fits_a_screen_and_names_all_options() {
    let help = assert_output(&["--help"]);
    assert!(help.lines().all(|line| line.chars().count() <= 100));
    for option in [
        "--a",
        "--b",
        "--listen",
        "--drive",
        "--signal",
        "--stdout",
        "--from",
        "--normalizations",
        "--diff",
        "--sources",
        "--html",
        "--json",
        "--save",
        "--timeout",
        "--c ",
        "--rust",
    ] {
        assert!(help.contains(option), "{option}");
    }
    assert!(assert_output(&["--version"]).starts_with("mpserv-audit "));
}

#[test]
fn a_wrong_command_line_is_told() {
    for (arguments, sign) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--listen"], "--listen"),
        (&["--listen", "0", "--a", "x", "--b", "y"], "not a port"),
        (&["--a", "true"], "--a and --b"),
        (&["--stdout", "paper"], "paper"),
        (&["--from", "here"], "here"),
        (&["--timeout", "0"], "--timeout 0"),
        (&["nonsense"], "nonsense"),
        // After two hyphens, and only there, each word is the name of a program.
        (&["--", "--version"], "--version: not one of fork, "),
        (&["fork", "--", "wait", "--version"], "--version: not one of fork, "),
        (&["--drive", "nonsense", "fork"], "nonsense"),
        (&["--c", "/nowhere", "fork"], "--c /nowhere"),
        (&["--signal", "INT"], "--signal"),
        (&["--a", "true", "--b", "true", "--signal", "NONSENSE"], "NONSENSE"),
        (&["--a", "true | cat", "--b", "true"], "sh -c"),
        (&["--a", "'true", "--b", "true"], "does not end"),
        (&["--a", "", "--b", "true"], "no command"),
        (&["--a", "/no/such/program", "--b", "true"], "/no/such/program"),
        (&["--a", "true", "--b", "true", "--html", "/no/such/folder/page"], "/no/such/folder/page"),
    ] {
        assert_trouble(&run(arguments), sign);
    }
}
