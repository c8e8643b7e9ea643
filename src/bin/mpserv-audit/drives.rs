//! How the textbook programs are driven: as a client of a server, as the server of a client, or not at all.
//!
//! Every step waits until all processes are at rest, so that the next one meets them where it did the last time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use mpserv::errno::Errno;
use mpserv::fd::OwnedFd;
use mpserv::net::{self, AddressFamily, MsgFlags, Protocol, SocketFlags, SocketType};
use mpserv::signal::Signal;

use crate::run::close;
use crate::run::stage::Stage;
use crate::trouble::Trouble;

/// What a client sends, and what it must get back.
pub type Exchange = (&'static [u8], &'static [u8]);

/// How long a client waits for what the server has not sent when all are at rest: TCP delays less than this.
const REPLY_PATIENCE: Duration = Duration::from_secs(2);

/// A connection to a traced server.
#[derive(Debug)]
struct Client(OwnedFd);

impl Client {
    /// Connects, and waits until the server has taken the connection.
    fn connect(stage: &mut Stage<'_>, port: u16) -> Result<Self, Trouble> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        // Another thread may be starting a program, which must not inherit it.
        let kind = SocketType::STREAM | SocketFlags::CLOEXEC;
        let socket = net::socket(AddressFamily::INET, kind, Protocol::DEFAULT);
        let socket = socket.and_then(|socket| net::connect(&socket, &address).map(|()| socket));
        let client = socket.map_err(|errno| Trouble::of(format!("connect to port {port}"), errno))?;
        stage.settle()?;
        Ok(Client(client))
    }

    fn send(&self, stage: &mut Stage<'_>, bytes: &[u8]) -> Result<(), Trouble> {
        let sent = net::send(&self.0, bytes, MsgFlags::NOSIGNAL);
        if sent.map_err(|errno| Trouble::of("send to the server", errno))? != bytes.len() {
            return Err(Trouble::new("the server's socket does not take what a client sends at once"));
        }
        stage.settle()?;
        Ok(())
    }

    /// Sends, and takes what comes back. A server that answers otherwise, or not at all, shows in its trace.
    fn exchange(&self, stage: &mut Stage<'_>, (request, reply): Exchange) -> Result<(), Trouble> {
        self.send(stage, request)?;
        let mut missing = reply.len();
        let mut buffer = [0; 4096];
        let start = Instant::now();
        // The kernel may keep the last of several small writes back for a while, though all are at rest.
        while missing > 0 && start.elapsed() < REPLY_PATIENCE {
            match net::recv(&self.0, &mut buffer, MsgFlags::DONTWAIT) {
                Ok(0) => break,
                Ok(length) => missing = missing.saturating_sub(length),
                Err(Errno::AGAIN) => stage.wait()?,
                Err(errno) => return Err(Trouble::of("receive from the server", errno)),
            }
        }
        stage.settle()?;
        Ok(())
    }

    /// Ends the connection in order.
    fn close(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        close(self);
        stage.settle()?;
        Ok(())
    }

    /// Ends it with a reset.
    fn reset(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        net::setsockopt(&self.0, net::SocketOption::LINGER, Some(0))
            .map_err(|errno| Trouble::of("SO_LINGER", errno))?;
        self.close(stage)
    }
}

/// A server, as its clients know it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub port: u16,
    pub exchanges: &'static [Exchange],
    /// What a client that is alone also sends: as much as the server's buffer holds, and more.
    pub long_exchanges: &'static [Exchange],
    /// What it gets before a client resets in the middle of a message.
    pub fragment: &'static [u8],
}

impl Server {
    /// Ctrl-C, when all is at rest.
    fn end(stage: &mut Stage<'_>) -> Result<(), Trouble> {
        stage.settle()?;
        stage.signal(Signal::INT)
    }

    pub fn no_client(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        stage.wait_until_listening(self.port)?;
        Self::end(stage)
    }

    pub fn one_client(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        stage.wait_until_listening(self.port)?;
        let client = Client::connect(stage, self.port)?;
        for exchange in self.exchanges.iter().chain(self.long_exchanges) {
            client.exchange(stage, *exchange)?;
        }
        client.close(stage)?;
        Self::end(stage)
    }

    pub fn three_clients(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        stage.wait_until_listening(self.port)?;
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(Client::connect(stage, self.port)?);
        }
        for exchange in self.exchanges {
            for client in &clients {
                client.exchange(stage, *exchange)?;
            }
        }
        // The second goes first, so that children end in another order than they began.
        clients.swap(0, 1);
        for client in clients {
            client.close(stage)?;
        }
        Self::end(stage)
    }

    pub fn reset(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        stage.wait_until_listening(self.port)?;
        let client = Client::connect(stage, self.port)?;
        client.send(stage, self.fragment)?;
        client.reset(stage)?;
        // The server still serves.
        let client = Client::connect(stage, self.port)?;
        if let Some(exchange) = self.exchanges.first() {
            client.exchange(stage, *exchange)?;
        }
        client.close(stage)?;
        Self::end(stage)
    }
}

/// A client's server, as the client knows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// What it answers, each time that the client waits.
    pub replies: &'static [&'static [u8]],
}

impl Peer {
    /// Takes the client's connection, which it has made when it is at rest.
    fn accept(stage: &mut Stage<'_>) -> Result<TcpStream, Trouble> {
        stage.settle()?;
        let accepted = stage.listener().and_then(|listener| listener.accept());
        let (client, _) = accepted.map_err(|error| Trouble::of("the client has not connected", error))?;
        client.set_nonblocking(true).map_err(|error| Trouble::of("the client's connection", error))?;
        Ok(client)
    }

    fn take_all(client: &mut TcpStream) -> Result<(), Trouble> {
        let mut buffer = [0; 4096];
        loop {
            match client.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Trouble::of("what the client sends", error)),
            }
        }
    }

    pub fn serve(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        let mut client = Self::accept(stage)?;
        for reply in self.replies {
            Self::take_all(&mut client)?;
            client.write_all(reply).map_err(|error| Trouble::of("a reply to the client", error))?;
            stage.settle()?;
        }
        Self::take_all(&mut client)?;
        close(client);
        Ok(())
    }

    /// Takes what the client sends, and closes.
    pub fn close(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        let mut client = Self::accept(stage)?;
        Self::take_all(&mut client)?;
        close(client);
        Ok(())
    }

    /// Closes without having taken what the client sent, which resets the connection.
    pub fn reset(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        Self::accept(stage).map(close)
    }
}

/// Lets it run.
pub fn run(_: &mut Stage<'_>) -> Result<(), Trouble> {
    Ok(())
}

/// Ctrl-C each time that it sleeps, until it ends.
pub fn interrupt(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    while stage.settle()? {
        stage.signal(Signal::INT)?;
    }
    Ok(())
}
