use std::string::{String, ToString};

use super::*;

/// Checks the message for each mistake: its line, its word, the reason, and a hint.
#[test]
#[cfg_attr(miri, ignore = "it has no mmap")]
fn each_mistake_is_told_with_its_line_its_word_and_a_hint() {
    let network = "write an address, a network such as 192.0.2.0/24, unix or all";
    let limit = "this is no limit; write max-per-source=N or max-children=N, with N of 1 or more";
    let length = "the length of this network is no number in range; 0 to 32 for IPv4, 0 to 128 for IPv6";
    let bits = "bits beyond the network's length are set; set them to 0, or leave out the length";
    let deny = "a network that is denied has no limits; leave it out, or write allow";
    for (line, word, told) in [
        ("permit all", "permit", "a rule begins with allow or deny; write one of them, or # for a comment"),
        ("Allow all", "Allow", "a rule begins with allow or deny; write one of them, or # for a comment"),
        ("allow", "allow", &*std::format!("there is no network; {network}")),
        ("deny # all", "deny", &std::format!("there is no network; {network}")),
        ("allow any", "any", &std::format!("this is no network; {network}")),
        ("allow 192.0.2", "192.0.2", &std::format!("this is no network; {network}")),
        ("allow 192.0.2.0/33", "192.0.2.0/33", length),
        ("allow ::/129", "::/129", length),
        ("allow 192.0.2.0/+8", "192.0.2.0/+8", length),
        ("allow 192.0.2.0/", "192.0.2.0/", length),
        ("allow 192.0.2.1/24", "192.0.2.1/24", bits),
        ("allow 2001:db8::1/64", "2001:db8::1/64", bits),
        ("allow all max-children", "max-children", limit),
        ("allow all max-children=0", "max-children=0", limit),
        ("allow all max-children=x", "max-children=x", limit),
        ("allow all max-children=4294967296", "max-children=4294967296", limit),
        ("allow all max-per-sources=1", "max-per-sources=1", limit),
        ("allow all all", "all", limit),
        (
            "allow all max-children=1 max-children=1",
            "max-children=1",
            "this limit is here twice; leave one of them out",
        ),
        ("deny all max-children=1", "max-children=1", deny),
        ("deny all max-per-source=1", "max-per-source=1", deny),
    ] {
        let text = std::format!("# one\n\nallow unix\r\n{line}\ndeny all\n");
        let Err(RulesError::Line(mistake)) = Rules::parse(text.as_bytes()) else { panic!("{line} is a rule") };
        assert_eq!((mistake.line, mistake.word()), (4, word), "{line}");
        assert_eq!(mistake.to_string(), std::format!("4: {word}: {told}"));
    }
    let many = |count: usize| Rules::parse("allow all\n".repeat(count).as_bytes());
    assert_eq!(many(RULES_MAX).unwrap().len(), RULES_MAX);
    let Err(RulesError::Line(mistake)) = many(RULES_MAX + 1) else { panic!("there are too many") };
    let told = "16385: allow: there are more than 16384 rules; join networks, or leave rules out";
    assert_eq!(mistake.to_string(), told);
}

/// Checks the message for each file that cannot be read.
#[test]
#[cfg_attr(miri, ignore = "it has no mmap")]
fn each_file_that_cannot_be_read_is_told_with_a_hint() {
    let path = std::env::temp_dir().join(std::format!("mpserv-rules-{}", std::process::id()));
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let told = || Rules::load(&name).map_or_else(|error| error.to_string(), |rules| rules.len().to_string());
    let start = std::format!("cannot read the rules in {}: ", path.display());
    let missing = "No such file or directory; name a file that is there; with --chroot, in there";
    assert_eq!(told(), [&start, missing].concat());
    std::fs::write(&path, "#".repeat(FILE_MAX)).unwrap();
    assert_eq!(told(), "0");
    std::fs::write(&path, "#".repeat(FILE_MAX + 1)).unwrap();
    assert_eq!(told(), [&start, "File too large; it is longer than 1 MiB: join networks"].concat());
    std::fs::write(&path, "allow all\nallow\n").unwrap();
    let line = String::from(path.to_str().unwrap()) + ":2: allow: there is no network; ";
    assert!(told().starts_with(&line), "{}", told());
    std::fs::remove_file(&path).unwrap();
    let error = Rules::load(c"/dev/null").unwrap_err();
    assert_eq!(error.to_string(), "cannot read the rules in /dev/null: this is not a regular file; name a file");
}
