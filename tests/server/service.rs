//! Tests `--service`: the built-in services, and the bytes that come back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::common::random::Random;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::tests;
use mpserv::server::limits::{SERVICE_BUFFER, SERVICE_BUFFER_FIRST};

pub(crate) const TESTS: &[Test] = tests![
    long_lines_and_binary_data_come_back,
    sixteen_megabytes_come_back_bit_by_bit,
    a_client_that_ends_its_half_gets_the_rest,
    the_other_services_do_what_they_are_called,
    a_service_that_can_map_no_memory_serves_in_small_pieces,
    a_client_that_sends_much_is_served_in_large_pieces,
    ; ignored:
    a_gigabyte_comes_back_bit_by_bit,
];

/// Sends `text` from another thread, and reads the answer in this thread, up to the end.
fn exchange(client: TcpStream, text: &[u8]) -> Vec<u8> {
    let mut writer = client.try_clone().unwrap();
    let mut reader = client;
    thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(text).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        back
    })
}

fn long_lines_and_binary_data_come_back() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut line = vec![b'x'; 50_000];
    line.push(b'\n');
    assert_eq!(exchange(server.connect(), &line), line);
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(exchange(server.connect(), &all), all);
    let log = server.stop();
    assert!(log.iter().filter(|line| line.event == "end").all(|line| line.get("exit") == "0"));
}

fn echo_of(length: usize) {
    let server = Served::start(&["127.0.0.1:0"]);
    let client = server.connect();
    // The data is a repeated block, so that it need not be in memory as a whole. The service's buffer is no multiple of
    // the block.
    let block = Random::new(1).bytes(1_000_003);
    let mut writer = client.try_clone().unwrap();
    let mut reader = client;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut left = length;
            while left > 0 {
                let part = &block[..left.min(block.len())];
                writer.write_all(part).unwrap();
                left -= part.len();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = vec![0; block.len()];
        let mut left = length;
        while left > 0 {
            let part = left.min(block.len());
            reader.read_exact(&mut back[..part]).unwrap();
            assert!(back[..part] == block[..part], "{left} bytes before the end the echo differs");
            left -= part;
        }
        assert_eq!(reader.read(&mut back).unwrap(), 0);
    });
    server.stop();
}

fn sixteen_megabytes_come_back_bit_by_bit() {
    echo_of(16 << 20);
}

fn a_gigabyte_comes_back_bit_by_bit() {
    echo_of(1 << 30);
}

fn a_client_that_ends_its_half_gets_the_rest() {
    let server = Served::start(&["127.0.0.1:0"]);
    let mut client = server.connect();
    client.write_all(b"without a newline").unwrap();
    assert_eq!(finish(client), b"without a newline");
    server.stop();
}

fn the_other_services_do_what_they_are_called() {
    let server = Served::start(&["--service", "rot13", "127.0.0.1:0"]);
    let mut client = server.connect();
    // The text has every letter, and the characters beside the first and last letters.
    client.write_all(b"@AMNZ[`amnz{ abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ \xff\n").unwrap();
    assert_eq!(finish(client), b"@NZAM[`nzam{ nopqrstuvwxyzabcdefghijklm NOPQRSTUVWXYZABCDEFGHIJKLM \xff\n");
    server.stop();
    let server = Served::start(&["--service=discard", "127.0.0.1:0"]);
    let mut client = server.connect();
    client.write_all(&Random::new(1).bytes(1_000_000)).unwrap();
    assert_eq!(finish(client), b"");
    server.stop();
}

/// Checks a service whose child cannot have the larger buffer.
fn a_service_that_can_map_no_memory_serves_in_small_pieces() {
    let server = Served::start(&["--rlimit", "as=1", "127.0.0.1:0"]);
    let text = Random::new(2).bytes(10_000);
    assert!(exchange(server.connect(), &text) == text, "{:?}", server.log());
    let log = server.stop();
    assert_eq!(log.iter().find(|line| line.event == "end").unwrap().get("exit"), "0", "{log:?}");
}

/// Checks the room that the child offers: little at first, and much once that was filled.
fn a_client_that_sends_much_is_served_in_large_pieces() {
    let folder = TempDir::new();
    let trace = folder.join("trace");
    let server = Served::start_command(&mut traced(&["-f", "-e", "trace=recvfrom"], &trace, &["127.0.0.1:0"]));
    let text = Random::new(3).bytes(10_000);
    assert!(exchange(server.connect(), &text) == text);
    server.wait_events("end", 1);
    server.stop();
    let trace = std::fs::read_to_string(trace).unwrap();
    let rooms = [SERVICE_BUFFER_FIRST, SERVICE_BUFFER].map(|room| trace.matches(&format!(", {room}, 0,")).count());
    assert!(rooms[0] == 1 && rooms[1] >= 1, "{trace}");
}
