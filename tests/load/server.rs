//! Provides a server in the test's process, and runs `mpserv-load` against it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::{Ended, Output, run};
use mpserv::process::no_new_privileges;
use mpserv::seccomp::listen;

pub(crate) const LOAD: &str = env!("CARGO_BIN_EXE_mpserv-load");

/// A server in this process, with a thread for each connection.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// The addresses of the clients, in the order of their connections.
    pub(crate) peers: Arc<Mutex<Vec<SocketAddr>>>,
    /// The number of open connections.
    pub(crate) open: Arc<AtomicUsize>,
}

impl Server {
    /// Gives each connection, with its number from 0, to `serve`.
    pub(crate) fn start(serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Server {
        Server::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    pub(crate) fn start_on(
        listener: TcpListener,
        serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
    ) -> Server {
        let port = listener.local_addr().unwrap().port();
        let (peers, open) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let server = Server { port, peers: peers.clone(), open: open.clone() };
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let mut connection = connection.unwrap();
                peers.lock().unwrap().push(connection.peer_addr().unwrap());
                let (serve, open) = (serve.clone(), open.clone());
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(number, &mut connection);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn load(&self, options: &[&str]) -> Ended {
        load(options, &self.port.to_string())
    }

    pub(crate) fn connections(&self) -> usize {
        self.peers.lock().unwrap().len()
    }
}

pub(crate) fn command(options: &[&str], address: &str) -> Command {
    let mut command = Command::new(LOAD);
    command.args(["--quiet", "--json"]).args(options).arg(address);
    command
}

pub(crate) fn load(options: &[&str], address: &str) -> Ended {
    run(&mut command(options, address), Output::Pipe)
}

/// Returns the number with this name in a report. If `object` is not empty, looks in the object of that name.
#[track_caller]
pub(crate) fn number(ended: &Ended, object: &str, name: &str) -> f64 {
    let json = &ended.stdout;
    let (_, rest) = json.split_once(&format!("\"{object}\":{{")).unwrap_or(("", json));
    let (_, value) = rest.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name} in {ended:?}"));
    value.split([',', '}']).next().unwrap().parse().unwrap()
}

/// Sends back each chunk after `change` has changed it.
pub(crate) fn echo(connection: &mut (impl Read + Write), mut change: impl FnMut(&mut [u8])) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = connection.read(&mut buffer) {
        change(&mut buffer[..length]);
        if connection.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

pub(crate) fn plain_echo(_number: usize, connection: &mut TcpStream) {
    echo(connection, |_| {});
}

/// Makes every later call of this kind of this process fail with ENOSYS: nobody answers for the call.
pub(crate) fn without(calls: &[std::ffi::c_long]) -> std::io::Result<()> {
    // SAFETY: the later program takes any error of the call.
    let listener = no_new_privileges().and_then(|()| unsafe { listen(calls) });
    listener.map(drop).map_err(|errno| std::io::Error::from_raw_os_error(errno.raw()))
}
