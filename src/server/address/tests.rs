use std::string::ToString;

use super::*;

/// Checks the message for each address that is none.
#[test]
#[cfg_attr(miri, ignore = "it has no interfaces")]
fn each_wrong_address_is_told_with_its_reason_and_a_hint() {
    let port = "the port is not a number from 0 to 65535";
    for (text, reason) in [
        ("x", port),
        ("", port),
        ("65536", port),
        ("+1", port),
        ("127.0.0.1:", port),
        ("[::1]:x", port),
        ("50\x000", "there is a NUL in it"),
        ("inherit:a\0", "there is a NUL in it"),
        ("unix:/a\0", "there is a NUL in it"),
        ("unix:", "the path is empty"),
        ("unix:@", "the abstract name is empty"),
        ("[::1]", "]:PORT is missing"),
        ("[::1:5000", "]:PORT is missing"),
        ("[x]:5000", "what is in brackets is not an IPv6 address"),
        (":5000", "the host is empty"),
        ("::1:5000", "an IPv6 address stands in brackets"),
        ("1.2.3:5000", "the host is not an IPv4 address"),
    ] {
        let error = Address::parse(text).unwrap_err();
        let hint = "an address is PORT, HOST:PORT, [IPV6]:PORT, unix:PATH or inherit";
        let expected = std::format!("{}: {reason}; {hint}", Quoted(text));
        assert_eq!((error.to_string(), error.is_usage()), (expected, true));
    }
    for (text, told) in [
        (
            "[::ffff:127.0.0.1]:5000",
            "this is an IPv4 address in the form of IPv6; leave out [::ffff: and the bracket: 127.0.0.1:5000",
        ),
        (
            "[fe80::1]:5000",
            "a link-local address is one of an interface; name it: [fe80::1%eth0]:5000 (ip link shows the interfaces)",
        ),
        ("*:5000", "* is no host; give the PORT alone for every address"),
    ] {
        let error = Address::parse(text).unwrap_err();
        assert_eq!((error.to_string(), error.is_usage()), (std::format!("\"{text}\": {told}"), true));
    }
    for zone in ["0", "no-such", "abcdefghijklmnop"] {
        let text = std::format!("[fe80::1%{zone}]:5000");
        let error = Address::parse(&text).unwrap_err();
        let start = std::format!("cannot listen on \"{text}\": No such device");
        assert!(error.to_string().starts_with(&start) && error.errno().is_some(), "{error}");
        assert!(
            error.to_string().ends_with("; there is no such interface (ip link shows those that there are)"),
            "{error}"
        );
    }
}

/// Checks each form of an address, at its bounds.
#[test]
fn each_form_of_an_address_is_known() {
    let inet = |text: &str| Address::Inet(text.parse().unwrap());
    for (text, address) in [
        ("0", Address::Port(0)),
        ("65535", Address::Port(65535)),
        ("127.0.0.1:0", inet("127.0.0.1:0")),
        ("[::]:65535", inet("[::]:65535")),
        ("localhost:1", Address::Host("localhost", 1)),
        ("unix:x", Address::Unix("x")),
        ("unix:/a:b", Address::Unix("/a:b")),
        ("unix:@a\0b", Address::Abstract("a\0b")),
        ("inherit", Address::Inherit(None)),
        ("inherit:", Address::Inherit(Some(""))),
        ("inherit:a:b", Address::Inherit(Some("a:b"))),
        ("inherited:1", Address::Host("inherited", 1)),
    ] {
        assert_eq!(Address::parse(text).unwrap(), address, "{text:?}");
    }
}
