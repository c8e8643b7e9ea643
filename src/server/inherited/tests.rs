use std::string::ToString;

use super::*;

/// Checks the text by which a server passes its descriptors on, and that its successor reads each socket as it was.
#[test]
fn the_passed_sockets_are_read_as_they_were_written() {
    let pid = |number| Pid::from_raw(number).unwrap();
    let sockets =
        [(STDIN, false, None), (STDOUT, true, None), (STDERR, false, Some((7, u64::MAX))), (STDIN, true, Some((0, 1)))];
    let earlier = EarlierServers::default();
    let passed = |pidfile| Passed {
        successor: pid(20),
        ready: STDERR,
        pidfile,
        listeners: sockets.into_iter(),
        predecessor: pid(13),
        orders: STDOUT,
        earlier: &earlier,
    };
    let text = "20,2,0,0,1m,2:7:18446744073709551615,0m:0:1,g13p1";
    assert_eq!(passed(None).to_string(), text);
    assert_eq!(passed(Some(STDOUT)).to_string(), text.replacen(",2,0,", ",2,1,", 1));
    let words = text.split(',').skip(3).map(|word| parse_listener(word.as_bytes()));
    let expected = sockets.map(|(fd, managed, file)| Some((fd.raw(), managed, file)));
    assert!(words.take(expected.len()).eq(expected));
}

#[test]
fn the_word_of_an_earlier_server_is_no_socket() {
    let server = Pid::from_raw(13).map(|pid| (pid, 5));
    assert_eq!(parse_earlier(b"g13p5"), server);
    for word in ["", "g", "g13", "gp5", "g13p", "g0p5", "g13p5p5", "13p5", "g13p-5", "g2147483648p5"] {
        assert_eq!(parse_earlier(word.as_bytes()), None, "{word}");
    }
    assert_eq!(parse_listener(b"g13p5"), None);
}

#[test]
fn a_word_that_names_no_socket_is_refused() {
    for word in
        ["", "m", "x", "-1", "+1", "1mm", "m1", "1:", "1:2", "1:2:", "1::2", "1:2:3:4", "1:2:x", "2147483648", "g1"]
    {
        assert_eq!(parse_listener(word.as_bytes()), None, "{word}");
    }
    for (word, socket) in
        [("2147483647", (c_int::MAX, false, None)), ("3m", (3, true, None)), ("3m:4:5", (3, true, Some((4, 5))))]
    {
        assert_eq!(parse_listener(word.as_bytes()), Some(socket), "{word}");
    }
}
