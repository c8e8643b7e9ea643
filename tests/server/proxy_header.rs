//! Tests the parser of the PROXY header: the headers that it accepts, and those that it refuses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::common::random::Random;
use crate::common::solo::Test;
use crate::tests;
use mpserv::server::proxy_protocol::{Header, Parser, ProxyError};

pub(crate) const TESTS: &[Test] = tests![
    what_the_standard_allows_is_understood,
    what_the_standard_forbids_is_refused,
    after_a_header_nothing_is_taken,
    two_parsers_agree,
    ; ignored:
    two_parsers_agree_on_ten_million_inputs,
];

/// Parses these bytes. Returns the result, and the number of bytes of the header.
fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let mut parser = Parser::new();
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(header) = parser.push(*byte)? {
            return Ok(Some((header, index + 1)));
        }
    }
    Ok(None)
}

fn proxied(source: &str, destination: &str) -> Header {
    Header::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

pub(crate) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Returns a header of version 2.
pub(crate) fn v2(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_command, family], &length, block].concat()
}

pub(crate) const V4_BLOCK: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb];

pub(crate) fn v6_block() -> Vec<u8> {
    let addresses = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets());
    [&addresses.concat()[..], &[0x12, 0x34, 0x01, 0xbb]].concat()
}

fn what_the_standard_allows_is_understood() {
    let v4 = proxied("192.0.2.1:4660", "198.51.100.2:443");
    let v6 = proxied("[2001:db8::1]:4660", "[2001:db8::2]:443");
    let tlvs = [&V4_BLOCK[..], &[0x04, 0, 0, 0x20, 0, 3, 1, 2, 3]].concat();
    let mut longest = b"PROXY UNKNOWN ".to_vec();
    longest.resize(105, b'x');
    longest.extend_from_slice(b"\r\n");
    let filler = [&V4_BLOCK[..], &[0x04, 0xff, 0xf0], &[0; 0xfff0][..]].concat();
    for (bytes, header) in [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n".to_vec(), v4),
        (b"PROXY TCP6 2001:db8::1 2001:DB8::2 4660 443\r\n".to_vec(), v6),
        (b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n".to_vec(), proxied("255.255.255.255:65535", "0.0.0.0:0")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Header::Local),
        (b"PROXY UNKNOWN ffff::1 whatever \n 99999\r\n".to_vec(), Header::Local),
        (longest, Header::Local),
        (v2(0x21, 0x11, &V4_BLOCK), v4),
        (v2(0x21, 0x21, &v6_block()), v6),
        (v2(0x21, 0x11, &tlvs), v4),
        (v2(0x21, 0x11, &filler), v4),
        (v2(0x20, 0x00, &[]), Header::Local),
        (v2(0x20, 0xff, b"what is here is nobody's business"), Header::Local),
        (v2(0x20, 0x11, &V4_BLOCK[..5]), Header::Local),
        (v2(0x21, 0x00, b"neither is this"), Header::Local),
        (v2(0x21, 0x12, &V4_BLOCK), Header::Local),
        (v2(0x21, 0x22, &v6_block()), Header::Local),
        (v2(0x21, 0x31, &[1; 216]), Header::Local),
        (v2(0x21, 0x32, &[[1; 216].to_vec(), vec![4, 0, 1, 7]].concat()), Header::Local),
    ] {
        let length = bytes.len();
        let more = [&bytes[..], b"PROXY"].concat();
        assert_eq!(parse(&more), Ok(Some((header, length))), "{}", bytes[..length.min(150)].escape_ascii());
        // A header that is cut off at any place is not complete.
        for cut in (0..length.min(400)).chain([length - 1]) {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{} of {}", cut, bytes[..length.min(150)].escape_ascii());
        }
    }
}

fn what_the_standard_forbids_is_refused() {
    let too_long = [&b"PROXY UNKNOWN "[..], &[b'x'; 92], b"\r\n"].concat();
    let short = |family, length: usize| v2(0x21, family, &vec![0; length]);
    for bytes in [
        b"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1\t198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.1 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::1::2 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 [2001:db8::1] 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 fe80::1%lo 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 -2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2  2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n\r\n".to_vec(),
        b"PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        b"PROXY UNKNOWNS\r\n".to_vec(),
        b"PROXY TCP4 \xff\r\n".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\r".to_vec(),
        b"\r\nPROXY".to_vec(),
        too_long,
        v2(0x11, 0x11, &V4_BLOCK),
        v2(0x31, 0x11, &V4_BLOCK),
        v2(0x22, 0x11, &V4_BLOCK),
        v2(0x2f, 0x11, &V4_BLOCK),
        v2(0x21, 0x41, &V4_BLOCK),
        v2(0x21, 0x13, &V4_BLOCK),
        v2(0x21, 0x10, &V4_BLOCK),
        v2(0x21, 0x01, &V4_BLOCK),
        short(0x11, 11),
        short(0x12, 11),
        short(0x21, 35),
        short(0x31, 215),
        short(0x11, 0),
        // The next headers have additional fields that are cut off, or longer than the rest of the header.
        v2(0x21, 0x11, &[&V4_BLOCK[..], &[4]].concat()),
        v2(0x21, 0x11, &[&V4_BLOCK[..], &[4, 0]].concat()),
        v2(0x21, 0x11, &[&V4_BLOCK[..], &[4, 0, 1]].concat()),
        v2(0x21, 0x11, &[&V4_BLOCK[..], &[4, 1, 0, 0]].concat()),
        v2(0x21, 0x31, &[[1; 216].to_vec(), vec![4, 0, 2, 7]].concat()),
    ] {
        assert!(matches!(parse(&bytes), Err(ProxyError::Malformed(_))), "{}", bytes.escape_ascii());
        // No later byte makes it a header.
        let mut parser = Parser::new();
        let mut results = bytes.iter().map(|byte| parser.push(*byte));
        results.find(Result::is_err).unwrap().unwrap_err();
        assert!(results.all(|result| result.is_err()), "{}", bytes.escape_ascii());
        let header = b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n";
        assert!(header.iter().all(|byte| parser.push(*byte).is_err()), "{}", bytes.escape_ascii());
    }
}

/// Checks that a byte after a header is an error, and so is each further byte.
fn after_a_header_nothing_is_taken() {
    for header in [&b"PROXY UNKNOWN\r\n"[..], &v2(0x20, 0, &[]), &v2(0x21, 0x11, &V4_BLOCK)] {
        let mut parser = Parser::new();
        assert!(header.iter().any(|byte| parser.push(*byte).unwrap().is_some()), "{}", header.escape_ascii());
        for byte in header.iter().chain(&[0; 300]) {
            assert_eq!(parser.push(*byte), Err(ProxyError::Malformed("it is over")), "{}", header.escape_ascii());
        }
    }
}

fn reference(bytes: &[u8]) -> Result<Option<(Header, usize)>, ()> {
    let start = |signature: &[u8]| bytes.iter().zip(signature).all(|(byte, expected)| byte == expected);
    if start(SIGNATURE) {
        reference_v2(bytes)
    } else if start(b"PROXY ") {
        reference_v1(bytes)
    } else {
        Err(())
    }
}

fn reference_v1(bytes: &[u8]) -> Result<Option<(Header, usize)>, ()> {
    let Some(cr) = bytes.iter().position(|&byte| byte == b'\r').filter(|cr| *cr < 106) else {
        return if bytes.len() < 107 { Ok(None) } else { Err(()) };
    };
    match bytes.get(cr + 1) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(()),
    }
    let length = cr + 2;
    let line = &bytes[..cr];
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Ok(Some((Header::Local, length)));
    }
    let line = std::str::from_utf8(line).map_err(|_| ())?;
    let [_, family, source, destination, source_port, destination_port] =
        line.split(' ').collect::<Vec<_>>().try_into().map_err(|_| ())?;
    let ip = |text: &str| -> Result<IpAddr, ()> {
        let is_canonical = text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte));
        match family {
            "TCP4" if text.split('.').all(|part| part == "0" || !part.starts_with('0')) => {
                text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| ())
            }
            "TCP6" if is_canonical => text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| ()),
            _ => Err(()),
        }
    };
    let port = |text: &str| -> Result<u16, ()> {
        let port: u16 = text.parse().map_err(|_| ())?;
        if port.to_string() == text { Ok(port) } else { Err(()) }
    };
    let source = SocketAddr::new(ip(source)?, port(source_port)?);
    let destination = SocketAddr::new(ip(destination)?, port(destination_port)?);
    Ok(Some((Header::Proxied { source, destination }, length)))
}

fn reference_v2(bytes: &[u8]) -> Result<Option<(Header, usize)>, ()> {
    let Some(&[version_command, family, high, low]) = bytes.get(12..16) else { return Ok(None) };
    let length = 16 + usize::from(u16::from_be_bytes([high, low]));
    let whole = bytes.get(16..length);
    if version_command == 0x20 {
        return Ok(whole.map(|_| (Header::Local, length)));
    }
    let addresses = match (version_command, family) {
        (0x21, 0x00) => return Ok(whole.map(|_| (Header::Local, length))),
        (0x21, 0x11 | 0x12) => 12,
        (0x21, 0x21 | 0x22) => 36,
        (0x21, 0x31 | 0x32) => 216,
        _ => return Err(()),
    };
    if length - 16 < addresses {
        return Err(());
    }
    // Only the bytes that are there are checked, because a mistake is refused before the end has come.
    let block = &bytes[16..length.min(bytes.len())];
    let mut tlvs = block.get(addresses..).unwrap_or_default();
    let mut left = length - 16 - addresses;
    while left > 0 {
        if let Some(&[_, high, low]) = tlvs.get(..3) {
            let size = 3 + usize::from(u16::from_be_bytes([high, low]));
            if size > left {
                return Err(());
            }
            left -= size;
            tlvs = tlvs.get(size..).unwrap_or_default();
        } else if left < 3 && tlvs.len() == left {
            return Err(());
        } else {
            break;
        }
    }
    let Some(block) = whole else { return Ok(None) };
    let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    let header = match family {
        0x11 => {
            let ip = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&block[at..at + 4]).unwrap());
            Header::Proxied { source: SocketAddr::new(ip(0), port(8)), destination: SocketAddr::new(ip(4), port(10)) }
        }
        0x21 => {
            let ip = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&block[at..at + 16]).unwrap());
            Header::Proxied { source: SocketAddr::new(ip(0), port(32)), destination: SocketAddr::new(ip(16), port(34)) }
        }
        _ => Header::Local,
    };
    Ok(Some((header, length)))
}

const WORDS: [&[u8]; 20] = [
    b"PROXY ",
    b"TCP4",
    b"TCP6",
    b"UNKNOWN",
    b" ",
    b"\r\n",
    b"\r",
    b"0",
    b"65535",
    b"192.0.2.1",
    b"::",
    b"::ffff:1.2.3.4",
    b"\0\0",
    b"\x04\0\x01x",
    b"\xff\xff",
    SIGNATURE,
    b"\x21\x11\0\x0c",
    b"\x20\0\0\0",
    b"255",
    b":",
];

fn fuzz(inputs: u64) {
    let seeds = [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\nmore".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\n".to_vec(),
        b"PROXY UNKNOWN x\r\n".to_vec(),
        v2(0x21, 0x11, &[&V4_BLOCK[..], &[4, 0, 2, 9, 9]].concat()),
        v2(0x21, 0x21, &v6_block()),
        v2(0x20, 0, &[]),
        v2(0x21, 0x31, &[7; 219]),
    ];
    let mut random = Random::new(inputs);
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    let mut bytes = Vec::new();
    for _ in 0..inputs {
        bytes.clone_from(random.pick(&seeds));
        random.mutate(&mut bytes, &WORDS);
        let found = parse(&bytes);
        assert_eq!(found.map_err(|_| ()), reference(&bytes), "{}", bytes.escape_ascii());
        accepted += u64::from(matches!(found, Ok(Some(_))));
        refused += u64::from(found.is_err());
    }
    println!("{accepted} of {inputs} inputs were headers, {refused} were none, the others were cut off");
    assert!(accepted > inputs / 20 && refused > inputs / 5);
}

fn two_parsers_agree() {
    fuzz(100_000);
}

fn two_parsers_agree_on_ten_million_inputs() {
    fuzz(10_000_000);
}
