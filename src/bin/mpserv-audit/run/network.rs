//! Reads the facts about sockets from /proc.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use super::interrupt::INTERRUPTED;
use crate::trouble::Trouble;

/// The state of a socket that listens, in /proc/net/tcp.
const LISTEN: &str = "0A";
/// The state TIME_WAIT: the connection has ended, but the socket keeps its port for a while.
const TIME_WAIT: &str = "06";

/// One line of /proc/net/tcp.
#[derive(Clone, Debug)]
struct Socket {
    local_port: u16,
    listens: bool,
    lingers: bool,
    /// Whether data that the socket has sent has not arrived yet.
    has_unsent: bool,
    inode: u64,
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
        Some(Socket {
            local_port: port(fields.get(1)?)?,
            listens: *fields.get(3)? == LISTEN,
            lingers: *fields.get(3)? == TIME_WAIT,
            has_unsent: fields.get(4)?.split(':').next()?.bytes().any(|digit| digit != b'0'),
            inode: fields.get(9)?.parse().ok()?,
        })
    }
}

/// Returns the sockets of this thread's network that have this local port and that `wanted` accepts: those of IPv4, or
/// those of IPv6 if no socket of IPv4 is accepted. The kernel takes milliseconds for each list.
fn sockets(port: u16, wanted: impl Fn(&Socket) -> bool) -> Vec<Socket> {
    let sign = format!(":{port:04X} ");
    let wanted = |socket: &Socket| socket.local_port == port && wanted(socket);
    let found = of_table("tcp", &sign, wanted);
    if found.is_empty() { of_table("tcp6", &sign, wanted) } else { found }
}

/// Returns the sockets of a table that `wanted` accepts. The line of each such socket contains `sign`. A busy machine
/// keeps thousands of ended connections in the table, so the other lines are not parsed.
fn of_table(table: &str, sign: &str, wanted: impl Fn(&Socket) -> bool) -> Vec<Socket> {
    let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
    text.lines().filter(|line| line.contains(sign)).filter_map(Socket::parse).filter(wanted).collect()
}

/// The column of /proc/net/softnet_stat with the number of packets that wait for a processor.
const BACKLOG_COLUMN: usize = 11;

/// Whether packets that will wake a waiting process are on their way.
pub fn is_delivering() -> bool {
    let processors = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let mut backlogs = processors.lines().filter_map(|line| line.split_whitespace().nth(BACKLOG_COLUMN));
    backlogs.any(|backlog| backlog.bytes().any(|digit| digit != b'0'))
}

/// Whether data that was sent from this port has not arrived yet. The kernel may hold data back for a while.
pub fn has_unsent(port: u16) -> bool {
    !sockets(port, |socket| socket.has_unsent).is_empty()
}

/// Whether one of these processes listens on a port.
pub fn listens(processes: &[u32], port: u16) -> bool {
    !held(processes, &sockets(port, |socket| socket.listens)).is_empty()
}

/// Returns the ports on which these processes listen.
pub fn listening_ports(processes: &[u32]) -> Vec<u16> {
    let all = ["tcp", "tcp6"].map(|table| of_table(table, &format!(" {LISTEN} "), |socket| socket.listens)).concat();
    let mut ports = held(processes, &all);
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Returns the ports of those sockets that one of the processes has open.
fn held(processes: &[u32], sockets: &[Socket]) -> Vec<u16> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = sockets.iter().map(|socket| format!("socket:[{}]", socket.inode)).collect();
    let mut ports = Vec::new();
    for process in processes {
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
        let targets = descriptors.into_iter().flatten().flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        for target in targets {
            let open = names.iter().position(|name| target.as_os_str() == name.as_str());
            ports.extend(open.map(|at| sockets[at].local_port));
        }
    }
    ports
}

/// Makes sure that no other process listens on a port that a program will need.
pub fn must_be_free(port: u16) -> Result<(), Trouble> {
    if !sockets(port, |socket| socket.listens).is_empty() {
        return Err(Trouble::new(format!(
            "port {port} is in use by another program, which has to end first (ss -ltnp shows it)"
        )));
    }
    Ok(())
}

/// The time between two checks of a port that a connection still keeps. The kernel keeps such a connection for a minute
/// at most.
const LINGER_POLL: Duration = Duration::from_millis(100);

/// Waits until no ended connection keeps a program from binding to the port.
pub fn wait_for_lingering(port: u16) -> Result<(), Trouble> {
    while !sockets(port, |socket| socket.lingers).is_empty() {
        if INTERRUPTED.is_raised() {
            return Err(Trouble::new("interrupted"));
        }
        std::thread::sleep(LINGER_POLL);
    }
    Ok(())
}

/// Makes the sockets of this thread's own network send their data at once. Some algorithms of congestion control, such
/// as BBR, send a little later by a timer, while all processes seem to be at rest.
fn send_at_once() {
    // Every kernel has this algorithm. If the write fails, data only comes a moment later.
    let _ = fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
}

/// The size of the kernel's hash table of the connections in a run's own network. By default all networks share a
/// single table, as large as the memory of the machine allows. The kernel goes through this table for each list of
/// sockets.
const HASH_ENTRIES: &[u8] = b"4096";

/// Gives this thread, and all processes that it starts from now on, their own network, if that is allowed.
pub fn use_own() {
    if mpserv::namespace::own_network().is_err() {
        return;
    }
    // The size applies to networks that are made from this network. Before Linux 6.1 the size cannot be set, and lists
    // of sockets only take longer.
    if fs::write("/proc/sys/net/ipv4/tcp_child_ehash_entries", HASH_ENTRIES).is_ok() {
        // The call fails if no second network is allowed. Then the first network is used.
        let _ = mpserv::namespace::own_network();
    }
    send_at_once();
}

/// Listens on a port. Calls on the listener never wait.
pub fn occupy(port: u16) -> Result<TcpListener, Trouble> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    listener.map_err(|error| Trouble::of(format!("listening on port {port}"), error))
}

/// Makes a user namespace if this process may not make network namespaces otherwise. The process must have no other
/// thread.
pub fn make_own_possible() {
    if !is_own_possible() {
        // If the user namespace is not allowed either, runs share the network of the machine.
        let _ = mpserv::namespace::own_users();
    }
}

/// Whether this process may make networks.
pub fn is_own_possible() -> bool {
    std::thread::spawn(mpserv::namespace::own_network).join().is_ok_and(|made| made.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_tells_port_state_unsent_data_and_inode() {
        let socket = |local: &str, state: &str, queues: &str| {
            let line = format!(
                "   0: {local} 0200007F:0050 {state} {queues} 00:00000000 00000000  1000        0 4711 1 0000 100 0"
            );
            let socket = Socket::parse(&line).unwrap();
            (socket.local_port, socket.listens, socket.lingers, socket.has_unsent, socket.inode)
        };
        assert_eq!(socket("0100007F:23A2", "0A", "00000000:00000000"), (9122, true, false, false, 4711));
        assert_eq!(socket("0100007F:23A2", "06", "00000000:00000000"), (9122, false, true, false, 4711));
        assert_eq!(socket("0100007F:23A2", "01", "00000010:00000000"), (9122, false, false, true, 4711));
        assert_eq!(
            socket("0100007F:23A2", "01", "00000000:00000001"),
            (9122, false, false, false, 4711),
            "not read yet"
        );
        assert_eq!(socket("0000000000000000FFFF00000100007F:FFFF", "01", "00000000:00000000").0, 65535);
        assert!(Socket::parse("  sl  local_address rem_address   st tx_queue rx_queue").is_none());
    }

    fn port_of(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn a_listener_of_each_family_and_with_a_low_port_is_found() {
        let own = [std::process::id()];
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // The kernel shows such a port with a leading zero.
        let low = (1024..4096).find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()).unwrap();
        // A machine may have no IPv6.
        let six = TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, 0)).ok();
        for listener in [Some(&any), Some(&low), six.as_ref()].into_iter().flatten() {
            let port = port_of(listener);
            assert!(listens(&own, port), "{listener:?}");
            assert!(!listens(&[], port), "{listener:?}");
            let told = must_be_free(port).unwrap_err().to_string();
            assert!(told.starts_with(&format!("port {port} is in use by another program, ")), "{told}");
        }
    }

    #[test]
    fn each_port_is_told_once_in_the_order_of_the_ports() {
        let all: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
        let _copy = all[0].try_clone().unwrap();
        let mut expected: Vec<u16> = all.iter().map(port_of).collect();
        expected.sort_unstable();
        // Other tests of this process listen as well.
        let mut found = listening_ports(&[std::process::id()]);
        found.retain(|port| expected.contains(port));
        assert_eq!(found, expected);
    }

    #[test]
    fn data_that_the_peer_has_no_room_for_is_unsent() {
        // In the network of the machine, other connections may have the same port.
        if !is_own_possible() {
            return;
        }
        use_own();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_peer, _) = listener.accept().unwrap();
        let port = client.local_addr().unwrap().port();
        // The port is also the remote port of the peer's socket.
        assert_eq!(sockets(port, |_| true).len(), 1);
        assert!(!has_unsent(port));
        client.set_nonblocking(true).unwrap();
        while std::io::Write::write(&mut client, &[0; 4096]).is_ok() {}
        assert!(has_unsent(port));
    }

    /// Checks the settings of an own network, and that the thread that makes it sees no other one.
    #[test]
    fn an_own_network_sends_at_once_and_keeps_its_own_table_of_connections() {
        if !is_own_possible() {
            return;
        }
        let network = || fs::read_link("/proc/thread-self/ns/net").unwrap();
        let before = network();
        use_own();
        assert_ne!(network(), before);
        let setting = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        assert_eq!(setting("tcp_congestion_control").unwrap(), "reno\n");
        // Before Linux 6.1 all networks have one table.
        if setting("tcp_child_ehash_entries").is_some() {
            assert_eq!(setting("tcp_ehash_entries").unwrap(), "4096\n");
        }
    }

    #[test]
    fn an_occupied_port_is_that_of_all_addresses_and_its_listener_never_waits() {
        let listener = occupy(0).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
        let accepted = listener.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(accepted, Err(std::io::ErrorKind::WouldBlock));
        let port = port_of(&listener);
        let told = occupy(port).unwrap_err().to_string();
        assert!(told.starts_with(&format!("listening on port {port}: ")), "{told}");
    }
}
