use std::string::ToString;

use super::*;

/// Checks the text by which a server passes its descriptors on, and that its successor reads each socket as it was.
#[test]
fn the_passed_sockets_are_read_as_they_were_written() {
    let pid = |number| Pid::from_raw(number).unwrap();
    let sockets =
        [(STDIN, false, None), (STDOUT, true, None), (STDERR, false, Some((7, u64::MAX))), (STDIN, true, Some((0, 1)))];
    let mut earlier = EarlierServers::default();
    (earlier[6], earlier[7]) = (Some(pid(11)), Some(pid(12)));
    let earlier_pipes = EarlierPipes::default();
    let passed = |pidfile| Passed {
        successor: pid(20),
        ready: STDERR,
        pidfile,
        listeners: sockets.into_iter(),
        predecessor: pid(13),
        earlier,
        orders: STDOUT,
        earlier_pipes: &earlier_pipes,
    };
    let text = "20,2,0,0,1m,2:7:18446744073709551615,0m:0:1,g11,g12,g13,gp1";
    assert_eq!(passed(None).to_string(), text);
    assert_eq!(passed(Some(STDOUT)).to_string(), text.replacen(",2,0,", ",2,1,", 1));
    let words = text.split(',').skip(3).map(|word| parse_listener(word.as_bytes()));
    let expected = sockets.map(|(fd, managed, file)| Some((fd.raw(), managed, file)));
    assert!(words.take(expected.len()).eq(expected));
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
