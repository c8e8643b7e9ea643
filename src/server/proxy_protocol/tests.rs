use std::string::ToString;
use std::vec::Vec;

use super::*;

/// Returns a header of version 2.
fn v2(version_command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
    [V2_START, &[version_command, family], &length.to_be_bytes(), rest].concat()
}

/// Returns the number of the byte at which a header is refused, from 1, and the reason.
fn refused(bytes: &[u8]) -> Option<(usize, ProxyError)> {
    let mut parser = Parser::new();
    bytes.iter().enumerate().find_map(|(index, byte)| parser.push(*byte).err().map(|error| (index + 1, error)))
}

/// Checks the reason for which each mistake is refused, and that it is refused at once.
#[test]
fn each_mistake_has_its_reason() {
    let v1 = |rest: &str| std::format!("PROXY {rest}\r\n").into_bytes();
    let long = [b"PROXY UNKNOWN ", &[b'x'; 100][..]].concat();
    let inet = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 1, 0xbb];
    let with = |rest: &[u8]| v2(0x21, 0x11, (inet.len() + rest.len()) as u16, &[&inet, rest].concat());
    for (bytes, at, why) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), 1, "it begins otherwise"),
        (b"PROXIED".to_vec(), 5, "it begins otherwise"),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), 12, "it begins otherwise"),
        (b"PROXY UNKNOWN\rx".to_vec(), 15, "a CR without a LF"),
        (long, 107, "the line is longer than 107 bytes"),
        (v1("TCP4 192.0.2.1 198.51.100.2 1"), 0, "a field is missing"),
        (v1("TCP4"), 0, "a field is missing"),
        (v1("TCP4 192.0.2.1 198.51.100.2 1 2 3"), 0, "a field too many"),
        (v1("TCP5 192.0.2.1 198.51.100.2 1 2"), 0, "a protocol that is none of TCP4, TCP6 and UNKNOWN"),
        (v1("UNKNOWNX"), 0, "a protocol that is none of TCP4, TCP6 and UNKNOWN"),
        (v1("TCP4 ::1 198.51.100.2 1 2"), 0, "an address that is none of its family"),
        (v1("TCP4 192.0.2.1 ::1 1 2"), 0, "an address that is none of its family"),
        (v1("TCP6 192.0.2.1 ::1 1 2"), 0, "an address that is none of its family"),
        (v1("TCP4 192.0.2.1 198.51.100.2 65536 2"), 0, "a port that is no number from 0 to 65535"),
        (v1("TCP4 192.0.2.1 198.51.100.2 1 02"), 0, "a port that is no number from 0 to 65535"),
        ([b"PROXY TCP4 \xff", &b"\r\n"[..]].concat(), 0, "bytes that are no ASCII"),
        (v2(0x11, 0x11, 12, &inet), 16, "a version that there is not"),
        (v2(0x22, 0x11, 12, &inet), 16, "a command that there is not"),
        (v2(0x21, 0x41, 12, &inet), 16, "a family or a protocol that there is not"),
        (v2(0x21, 0x13, 12, &inet), 16, "a family or a protocol that there is not"),
        (v2(0x21, 0x11, 11, &inet), 16, "it is too short for its addresses"),
        (v2(0x21, 0x21, 35, &inet), 16, "it is too short for its addresses"),
        (v2(0x21, 0x32, 215, &inet), 16, "it is too short for its addresses"),
        (with(&[4, 0, 1]), 31, "an additional field is longer than what is left"),
        (with(&[4, 0]), 30, "an additional field is cut off"),
        (with(&[4]), 29, "an additional field is cut off"),
    ] {
        let at = if at == 0 { bytes.len() } else { at };
        assert_eq!(refused(&bytes), Some((at, ProxyError::Malformed(why))), "{}", bytes.escape_ascii());
        let text = ProxyError::Malformed(why).to_string();
        assert_eq!(text, std::format!("no PROXY header: {why}"));
    }
    for (error, text) in [
        (ProxyError::Closed, "no PROXY header: the peer closed the connection"),
        (ProxyError::TimedOut, "no PROXY header within 3 s"),
        // Miri's strerror_r() has other texts.
        (ProxyError::System(Errno::CONNRESET), &*std::format!("no PROXY header: {}", Errno::CONNRESET)),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// Checks the longest line that is a header: its LF is the last byte that may come.
#[test]
fn a_line_of_107_bytes_is_a_header() {
    let line = |length: usize| [b"PROXY UNKNOWN ", &std::vec![b'x'; length - 16][..], b"\r\n"].concat();
    assert_eq!((line(V1_MAX).len(), refused(&line(V1_MAX))), (107, None));
    assert_eq!(refused(&line(V1_MAX + 1)).map(|(at, _)| at), Some(107));
}
