//! How a program is driven that may fail at any call: as it would be otherwise, whatever comes of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use mpserv::errno::Errno;
use mpserv::fd::OwnedFd;
use mpserv::net::{self, AddressFamily, MsgFlags, Protocol, Shutdown, SocketFlags, SocketType};
use mpserv::signal::Signal;

use crate::drives::{Peer, Server};
use crate::programs::Kind;
use crate::run::close;
use crate::run::stage::{Stage, Standing};
use crate::trouble::Trouble;

/// A program whose trace has grown to more than this makes calls without end; without a fault, none comes near.
pub const TRACE_LIMIT: u64 = 512 << 10;
/// How often an alarm is sent to a program that lives on alarms, which need not be waited for then. Without a fault it
/// ends after three.
const ALARMS: usize = 5;
/// How long a reply is waited for when all are at rest: TCP delays less than this.
const REPLY_PATIENCE: Duration = Duration::from_millis(100);
/// How long a client sends and receives: each of the first exchanges twice.
const EXCHANGES: usize = 2;

/// Drives a program to its end, and ends it where it does not do so.
pub fn act(kind: Kind, stage: &mut Stage<'_>) -> Result<(), Trouble> {
    match kind {
        Kind::Alone { alarms: false } => {}
        Kind::Alone { alarms: true } => {
            for _ in 0..ALARMS {
                if rests(stage)? {
                    stage.signal(Signal::ALRM)?;
                }
            }
        }
        Kind::Server { server, .. } => two_clients(server, stage)?,
        Kind::Client { peer, .. } => serve(peer, stage)?,
    }
    // For ever is long: what the kernel has under way shows in the time that TCP may delay it.
    let start = Instant::now();
    while rests(stage)? {
        if start.elapsed() > REPLY_PATIENCE {
            stage.end_all(Standing::Waiting);
            break;
        }
        stage.wait()?;
    }
    Ok(())
}

fn rests(stage: &mut Stage<'_>) -> Result<bool, Trouble> {
    stage.settle_within(Some(TRACE_LIMIT))
}

/// The clients come together, and go in the other order.
fn two_clients(server: Server, stage: &mut Stage<'_>) -> Result<(), Trouble> {
    rests(stage)?;
    let mut first = Client::connect(stage, server.port)?;
    let mut second = Client::connect(stage, server.port)?;
    for (request, reply) in server.exchanges.iter().take(EXCHANGES) {
        for client in [&mut first, &mut second] {
            client.exchange(stage, request, reply)?;
            client.exchange(stage, request, reply)?;
        }
    }
    second.close(stage)?;
    first.close(stage)?;
    stage.signal(Signal::INT)
}

/// A client that takes things as they come.
#[derive(Debug)]
struct Client {
    /// None when it could not connect, or the server has closed.
    socket: Option<OwnedFd>,
    /// A reply failed to come: it waits for no other.
    is_disappointed: bool,
}

impl Client {
    fn connect(stage: &mut Stage<'_>, port: u16) -> Result<Self, Trouble> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        // Another thread may be starting a program, which must not inherit it.
        let kind = SocketType::STREAM | SocketFlags::CLOEXEC;
        let socket = net::socket(AddressFamily::INET, kind, Protocol::DEFAULT);
        let socket = socket.map_err(|errno| Trouble::of("a client's socket", errno))?;
        let socket = match net::connect(&socket, &address) {
            Ok(()) => Some(socket),
            Err(Errno::CONNREFUSED) => None,
            Err(errno) => return Err(Trouble::of(format!("connect to port {port}"), errno)),
        };
        rests(stage)?;
        Ok(Client { socket, is_disappointed: false })
    }

    fn exchange(&mut self, stage: &mut Stage<'_>, request: &[u8], reply: &[u8]) -> Result<(), Trouble> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        // A server that is gone shows in its trace.
        let _ = net::send(socket, request, MsgFlags::NOSIGNAL);
        rests(stage)?;
        let mut missing = reply.len();
        let mut buffer = [0; 4096];
        let start = Instant::now();
        while missing > 0 {
            match net::recv(socket, &mut buffer, MsgFlags::DONTWAIT) {
                Ok(0) | Err(Errno::CONNRESET) => break,
                Ok(length) => missing = missing.saturating_sub(length),
                Err(Errno::AGAIN) if self.is_disappointed || start.elapsed() > REPLY_PATIENCE => break,
                Err(Errno::AGAIN) => stage.wait()?,
                Err(errno) => return Err(Trouble::of("receive from the server", errno)),
            }
        }
        self.is_disappointed |= missing > 0;
        rests(stage)?;
        Ok(())
    }

    /// Ends the connection in order: what was not taken would have it reset, or not, as the kernel pleases.
    fn close(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        if let Some(socket) = &self.socket {
            // The server may have reset it.
            let _ = net::shutdown(socket, Shutdown::Write);
            rests(stage)?;
            let mut buffer = [0; 4096];
            let start = Instant::now();
            while start.elapsed() < REPLY_PATIENCE {
                match net::recv(socket, &mut buffer, MsgFlags::DONTWAIT) {
                    Ok(1..) => {}
                    Err(Errno::AGAIN) => stage.wait()?,
                    Ok(0) | Err(_) => break,
                }
            }
        }
        close(self);
        rests(stage)?;
        Ok(())
    }
}

/// The client's server: it takes what there is, and replies.
fn serve(peer: Peer, stage: &mut Stage<'_>) -> Result<(), Trouble> {
    rests(stage)?;
    let mut client = stage.listener().and_then(|listener| listener.accept()).map(|(client, _)| client).ok();
    if let Some(client) = &client {
        client.set_nonblocking(true).map_err(|error| Trouble::of("the client's connection", error))?;
    }
    for reply in peer.replies {
        let Some(client) = &mut client else {
            break;
        };
        take_all(client);
        // A client that is gone shows in its trace.
        let _ = client.write_all(reply);
        if !rests(stage)? {
            break;
        }
    }
    client.as_mut().map(take_all);
    close(client);
    Ok(())
}

fn take_all(client: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(client.read(&mut buffer), Ok(1..)) {}
}
