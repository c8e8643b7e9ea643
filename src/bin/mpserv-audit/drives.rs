//! Drives the textbook programs: as a client of a server, as the server of a client, or without a peer.
//!
//! Every step waits until all processes are at rest, so that the next step meets them at the same place in every run. A
//! drive takes all bytes that a program sends. If a program sends other bytes, sends nothing, or has gone away, the
//! trace shows this, and the drive does not fail.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use mpserv::errno::Errno;
use mpserv::fd::OwnedFd;
use mpserv::net::{self, AddressFamily, MsgFlags, Protocol, Shutdown, SocketFlags, SocketType};
use mpserv::signal::Signal;

use crate::run::close;
use crate::run::network;
use crate::run::stage::Stage;
use crate::trouble::Trouble;

/// A client's message and the answer of the Rust program.
pub type Exchange = (&'static [u8], &'static [u8]);

/// The most bytes that one read takes.
const BUFFER: usize = 4096;

/// A connection to a traced server.
#[derive(Debug)]
pub struct Client {
    /// `None` when the server refused the connection.
    socket: Option<OwnedFd>,
    port: u16,
}

impl Client {
    /// Connects to the server, and waits until the server has taken the connection.
    pub fn connect(stage: &mut Stage<'_>, port: u16) -> Result<Self, Trouble> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        // Another thread may be starting a program, which must not inherit the socket.
        let kind = SocketType::STREAM | SocketFlags::CLOEXEC;
        let socket = net::socket(AddressFamily::INET, kind, Protocol::DEFAULT);
        let socket = socket.map_err(|errno| Trouble::of("a client's socket", errno))?;
        let socket = match net::connect(&socket, &address) {
            Ok(()) => Some(socket),
            Err(Errno::CONNREFUSED) => None,
            Err(errno) => return Err(Trouble::of(format!("connect to port {port}"), errno)),
        };
        stage.settle()?;
        Ok(Client { socket, port })
    }

    /// Sends a request.
    pub fn send(&self, stage: &mut Stage<'_>, request: &[u8]) -> Result<(), Trouble> {
        if let Some(socket) = &self.socket {
            match net::send(socket, request, MsgFlags::NOSIGNAL) {
                Ok(sent) if sent == request.len() => {}
                Ok(_) => return Err(Trouble::new("the server's socket does not take what a client sends at once")),
                Err(Errno::PIPE | Errno::CONNRESET) => {}
                Err(errno) => return Err(Trouble::of("send to the server", errno)),
            }
            stage.settle()?;
        }
        Ok(())
    }

    /// Sends a request, and takes the server's answer.
    pub fn exchange(&self, stage: &mut Stage<'_>, (request, answer): Exchange) -> Result<(), Trouble> {
        self.send(stage, request)?;
        // If the answer is as long as the Rust program's, there is no need to look for data that is still on its way.
        // That look takes milliseconds.
        if self.take(stage)?.is_some_and(|length| length < answer.len()) {
            self.take_all(stage)?;
        }
        Ok(())
    }

    /// Takes the data that has arrived, and returns its length, or `None` at the end of the connection.
    fn take(&self, stage: &mut Stage<'_>) -> Result<Option<usize>, Trouble> {
        let Some(socket) = &self.socket else { return Ok(None) };
        let mut buffer = [0; BUFFER];
        let mut taken = 0;
        loop {
            match net::recv(socket, &mut buffer, MsgFlags::DONTWAIT) {
                Ok(0) | Err(Errno::CONNRESET) => return Ok(None),
                Ok(length) => taken += length,
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(Trouble::of("receive from the server", errno)),
            }
        }
        stage.settle()?;
        Ok(Some(taken))
    }

    /// Takes all data that the server has sent. The kernel may hold back the last of several small writes for a while,
    /// though all processes are at rest.
    fn take_all(&self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        loop {
            let is_under_way = network::has_unsent(self.port);
            match self.take(stage)? {
                None => return Ok(()),
                Some(0) if !is_under_way => return Ok(()),
                Some(0) => stage.wait()?,
                Some(_) => {}
            }
        }
    }

    /// Ends the connection without a reset. Takes all data first, because data that was not taken would reset the
    /// connection.
    pub fn close(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        if let Some(socket) = &self.socket {
            // The shutdown fails when the server has reset the connection.
            let _ = net::shutdown(socket, Shutdown::Write);
            stage.settle()?;
            self.take_all(stage)?;
        }
        close(self);
        stage.settle()?;
        Ok(())
    }

    /// Ends the connection with a reset.
    fn reset(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        if let Some(socket) = &self.socket {
            net::setsockopt(socket, net::SocketOption::LINGER, Some(0))
                .map_err(|errno| Trouble::of("SO_LINGER", errno))?;
        }
        close(self);
        stage.settle()?;
        Ok(())
    }
}

/// The facts about a server that its clients need.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub port: u16,
    pub exchanges: &'static [Exchange],
    /// Further messages of a single client: some as long as the server's buffer, and some longer.
    pub long_exchanges: &'static [Exchange],
    /// The part of a message that the server gets before its client resets the connection.
    pub fragment: &'static [u8],
}

impl Server {
    /// Sends SIGINT, as Ctrl-C does, when all processes are at rest.
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
        // The second client goes first, so that children end in another order than they began.
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
        // Checks that the server still serves.
        let client = Client::connect(stage, self.port)?;
        if let Some(exchange) = self.exchanges.first() {
            client.exchange(stage, *exchange)?;
        }
        client.close(stage)?;
        Self::end(stage)
    }
}

/// The answers of a client's server.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// The server sends back each line, one at a time.
    Echo,
    /// The server sends this answer to each message.
    Always(&'static [u8]),
}

impl Peer {
    /// Takes the client's connection, which exists once the client is at rest. Returns `None` when the client has not
    /// connected.
    fn accept(stage: &mut Stage<'_>) -> Result<Option<TcpStream>, Trouble> {
        stage.settle()?;
        let accepted = stage.listener().and_then(|listener| listener.accept());
        let accepted = accepted.and_then(|(client, _)| client.set_nonblocking(true).map(|()| client));
        match accepted {
            Ok(client) => Ok(Some(client)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(Trouble::of("the client's connection", error)),
        }
    }

    /// Takes the bytes that have arrived.
    fn take(client: &mut TcpStream) -> Vec<u8> {
        let mut taken = Vec::new();
        let mut buffer = [0; BUFFER];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            taken.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        taken
    }

    /// Returns the answers to the data that has arrived.
    fn answers(self, taken: &[u8]) -> VecDeque<Vec<u8>> {
        match self {
            Peer::Echo => taken.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
            Peer::Always(answer) => VecDeque::from(vec![answer.to_vec(); usize::from(!taken.is_empty())]),
        }
    }

    /// Answers for as long as the client sends.
    pub fn serve(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        if let Some(mut client) = Self::accept(stage)? {
            let mut answers = self.answers(&Self::take(&mut client));
            while let Some(answer) = answers.pop_front() {
                // The write fails when the client has gone.
                let _ = client.write_all(&answer);
                stage.settle()?;
                answers.extend(self.answers(&Self::take(&mut client)));
            }
            close(client);
        }
        Ok(())
    }

    /// Takes the client's data, and closes the connection.
    pub fn close(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        if let Some(mut client) = Self::accept(stage)? {
            Self::take(&mut client);
            close(client);
        }
        Ok(())
    }

    /// Closes the connection without taking the client's data, which resets the connection.
    pub fn reset(self, stage: &mut Stage<'_>) -> Result<(), Trouble> {
        Self::accept(stage).map(close)
    }
}

/// Lets the program run.
pub fn run(_: &mut Stage<'_>) -> Result<(), Trouble> {
    Ok(())
}

/// Sends SIGINT, as Ctrl-C does, each time that the program sleeps, until the program ends.
pub fn interrupt(stage: &mut Stage<'_>) -> Result<(), Trouble> {
    while stage.settle()? {
        stage.signal(Signal::INT)?;
    }
    Ok(())
}
