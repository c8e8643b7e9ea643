//! Tests TLS by stunnel, which runs between `mpserv` and the program.

use std::process::Stdio;

use crate::common::network::Network;
use crate::common::solo::Test;
use crate::common::*;
use crate::{blocks, client, command, output_of_tool, tests, with};
use mpserv::signal::Signal;

pub(crate) const TESTS: &[Test] = tests![a_program_is_served_over_tls];

fn a_program_is_served_over_tls() {
    for tool in ["stunnel4", "openssl"] {
        needs_command(tool);
    }
    let _network = Network::own();
    let folder = TempDir::new();
    let [key, certificate, hello] = ["hello.key", "hello.pem", "hello"].map(|name| folder.join(name));
    let mut make = command("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    make.args(["-subj", "/CN=hello.test", "-addext", "subjectAltName=DNS:hello.test", "-keyout"]).arg(&key);
    output_of_tool(make.arg("-out").arg(&certificate));
    write_executable(&hello, "#!/bin/sh\nread -r line\necho \"$line from $TCPREMOTEIP\"\n");
    let recipe = blocks("### TLS");
    let mut configuration = with(&recipe[0], "/etc/ssl/hello.pem", &certificate);
    configuration = with(&configuration, "/etc/ssl/hello.key", &key);
    configuration = with(&configuration, "/usr/local/bin/hello", &hello);
    std::fs::write(folder.join("hello.conf"), configuration).unwrap();
    let line = with(&with(&recipe[1], "-u hello ", ""), "/etc/stunnel/hello.conf", folder.join("hello.conf"));
    let server = Running::start(command("sh").args(["-c", &format!("exec {line}")]), Output::Pipe);
    drop(client());
    let mut openssl = command("openssl");
    openssl.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "hello.test", "-CAfile"]);
    openssl.arg(&certificate).args(["-connect", "127.0.0.1:7000"]).stdin(Stdio::piped());
    let mut openssl = Running::start(&mut openssl, Output::Pipe);
    openssl.input(b"hello\n");
    wait_until("the program answers", || openssl.stdout_so_far().contains('\n'));
    let ended = openssl.wait();
    assert_eq!(ended.stdout, "hello from 127.0.0.1\n", "{} {}", ended.stderr, server.stderr_so_far());
    assert_eq!(server.end(Signal::TERM).status.code(), Some(0));
}
