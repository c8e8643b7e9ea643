//! Checks that the filter of fail2ban finds the clients that were refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::network::Network;
use crate::common::server::*;
use crate::common::solo::Test;
use crate::common::*;
use crate::{blocks, command, file, output_of_tool, tests};

pub(crate) const TESTS: &[Test] = tests![the_filter_finds_the_clients_that_were_refused, the_jail_names_the_filter];

/// Returns the path of the filter.
fn filter() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/share/fail2ban.conf")
}

/// Returns the hosts that fail2ban finds in a log.
#[track_caller]
fn hosts(log: &str) -> BTreeSet<String> {
    let folder = TempDir::new();
    let path = folder.join("log");
    fs::write(&path, log).unwrap();
    let found = output_of_tool(command("fail2ban-regex").args(["-o", "ip"]).arg(&path).arg(filter()));
    found.lines().map(str::to_owned).collect()
}

/// Whether the log names a refused client whose address has this text.
fn has_refused(server: &Served, client: &str) -> bool {
    server.events("refuse").iter().any(|line| line.fields.get("from").is_some_and(|from| from.contains(client)))
}

fn the_filter_finds_the_clients_that_were_refused() {
    needs_command("fail2ban-regex");
    needs_ipv6();
    let _network = Network::own();
    let folder = TempDir::new();
    let rules = folder.join("rules");
    fs::write(&rules, "deny 127.0.0.9\ndeny ::1\n").unwrap();
    let rules = rules.to_str().unwrap();
    let socket = format!("unix:{}", folder.join("socket").display());
    let mut logs = String::new();
    for time in ["yes", "no"] {
        let options = ["--log-time", time, "-C", "1", "--rules", rules, "--listen", &socket, "0"];
        let server = Served::start(&options);
        let port = server.port();
        let first = server.client();
        // Only one refusal a second is logged with its client.
        for source in ["127.0.0.1", "127.0.0.9", "::1"] {
            wait_until("a refusal names it", || {
                read_all(&mut connect_from(source, port));
                has_refused(&server, source)
            });
        }
        // A client of a Unix socket has no address.
        let path = folder.join("socket");
        let local = std::os::unix::net::UnixStream::connect(&path).unwrap();
        wait_until("it is refused as well", || {
            drop(std::os::unix::net::UnixStream::connect(&path).unwrap());
            has_refused(&server, "unix:pid:")
        });
        drop((first, local));
        logs += &server.running.end(mpserv::signal::Signal::TERM).stderr;
    }
    let refused = ["127.0.0.1", "127.0.0.9", "::1"].map(str::to_owned);
    assert_eq!(hosts(&logs), refused.clone().into(), "{logs}");
    // The lines are those of --log syslog, as syslog writes them.
    let syslog: String = logs
        .lines()
        .filter_map(|line| without_time(line).strip_prefix("mpserv: "))
        .map(|event| format!("Nov 26 01:12:15 host mpserv[12]: {event}\n"))
        .collect();
    assert_eq!(hosts(&syslog), refused.into(), "{syslog}");
    // A shortage of the server itself is no fault of the client.
    let (others, violation) = (
        "mpserv: refuse from=192.0.2.1:40000 why=\"the server stops\" from_source=1 count=1\n\
         mpserv: refuse why=\"as before\" count=3\n\
         mpserv: accept pid=1 from=192.0.2.2:40000 children=1 limit=64\n",
        "mpserv: violation pid=4715 from=192.0.2.3:40003 call=openat\n",
    );
    assert_eq!(hosts(&format!("{others}{violation}")), ["192.0.2.3".to_owned()].into());
}

fn the_jail_names_the_filter() {
    needs_command("fail2ban-client");
    let folder = TempDir::new();
    // The jail uses the filter with the same name.
    let jail = &blocks("### fail2ban")[0];
    assert!(jail.starts_with("[mpserv]\n"), "{jail}");
    fs::create_dir_all(folder.join("filter.d")).unwrap();
    fs::create_dir_all(folder.join("jail.d")).unwrap();
    fs::write(folder.join("filter.d/mpserv.conf"), file("src/share/fail2ban.conf")).unwrap();
    fs::write(folder.join("hello.log"), "").unwrap();
    let log = folder.join("hello.log");
    let jail = jail.replace("/var/log/hello.log", log.to_str().unwrap());
    fs::write(folder.join("jail.d/mpserv.conf"), jail).unwrap();
    for installed in ["fail2ban.conf", "jail.conf", "paths-common.conf", "paths-debian.conf", "action.d"] {
        let link = folder.join(installed);
        std::os::unix::fs::symlink(Path::new("/etc/fail2ban").join(installed), link).unwrap();
    }
    // `-d` shows the configuration that the server would get.
    let dump = output_of_tool(command("fail2ban-client").arg("-c").arg(&folder.0).arg("-d"));
    for part in ["'add', 'mpserv'", "'addlogpath'", "'addfailregex'", "'maxretry', 5"] {
        assert!(dump.contains(part), "no {part}: {dump}");
    }
}
