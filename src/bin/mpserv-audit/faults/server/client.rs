//! The clients of a server that may fail at any call.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// The bytes that each client sends.
const WORD: &[u8] = b"a word";

/// The address of a server.
#[derive(Clone, Debug)]
pub enum Address {
    Port(u16),
    Path(PathBuf),
}

impl Address {
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Port(port) => Some(*port),
            Address::Path(_) => None,
        }
    }
}

/// The result of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// The whole answer, and then the end of the stream.
    Served,
    /// The end of the stream, after a wrong or incomplete answer.
    Cut,
    /// No connection.
    Refused,
    /// No byte, and no end of the stream.
    Nothing,
}

trait Stream: Read + Write {
    /// Shuts down the sending side.
    fn end(&self) -> io::Result<()>;
    fn limit(&self, patience: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn limit(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Stream for UnixStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn limit(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

/// A client that accepts any behaviour of the server.
pub struct Client {
    /// The connection, if there is one.
    stream: Option<Box<dyn Stream>>,
    received: Vec<u8>,
}

impl Client {
    pub fn connect(address: &Address) -> Self {
        let stream = match address {
            Address::Port(port) => {
                TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).map(|stream| Box::new(stream) as Box<dyn Stream>)
            }
            Address::Path(path) => UnixStream::connect(path).map(|stream| Box::new(stream) as Box<dyn Stream>),
        };
        Client { stream: stream.ok(), received: Vec::new() }
    }

    /// Sends a word.
    pub fn send(&mut self) {
        if let Some(stream) = &mut self.stream {
            // If the server has ended, the write fails. The next read shows the closed connection.
            let _ = stream.write_all(WORD);
        }
    }

    /// Shuts down the sending side.
    pub fn end(&mut self) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.end();
        }
    }

    /// Reads up to the end of the stream, or returns `None` after a silence of this length.
    pub fn receive(&mut self, patience: Duration) -> Option<Got> {
        let Some(stream) = &mut self.stream else {
            return Some(Got::Refused);
        };
        let mut buffer = [0; 1024];
        let _ = stream.limit(patience);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Some(if self.received == WORD { Got::Served } else { Got::Cut }),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Some(Got::Cut),
            }
        }
    }

    /// Reads the echoed word. The connection stays open.
    pub fn receive_word(&mut self, patience: Duration) -> Got {
        let Some(stream) = &mut self.stream else {
            return Got::Refused;
        };
        let _ = stream.limit(patience);
        let mut back = [0; WORD.len()];
        match stream.read_exact(&mut back) {
            Ok(()) if back == *WORD => Got::Served,
            Ok(()) => Got::Cut,
            Err(_) => Got::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// The server of a test answers with these bytes, and then keeps or closes the connection.
    fn client(answer: &[u8], closes: bool) -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::connect(&Address::Port(listener.local_addr().unwrap().port()));
        let (mut stream, _) = listener.accept().unwrap();
        client.send();
        let mut word = [0; WORD.len()];
        stream.read_exact(&mut word).unwrap();
        assert_eq!(word, WORD);
        stream.write_all(answer).unwrap();
        if closes {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        (client, stream)
    }

    #[test]
    fn a_client_tells_what_it_got() {
        const SHORT: Duration = Duration::from_millis(1);
        const LONG: Duration = Duration::from_secs(20);
        for (answer, got) in
            [(&b"a word"[..], Got::Served), (b"a wor", Got::Cut), (b"a word!", Got::Cut), (b"", Got::Cut)]
        {
            assert_eq!(client(answer, true).0.receive(LONG), Some(got), "{answer:?}");
        }
        let (mut open, stream) = client(b"a word", false);
        assert_eq!(open.receive(SHORT), None, "the stream has not ended");
        open.end();
        assert_eq!((&stream).read(&mut [0]).unwrap(), 0, "the client has shut down its side");
        for (answer, got) in [(&b"a word"[..], Got::Served), (b"b word", Got::Cut), (b"a wor", Got::Nothing)] {
            let closes = got == Got::Nothing;
            assert_eq!(client(answer, closes).0.receive_word(LONG), got, "{answer:?}");
        }
        // Nobody listens on the port of a listener that is gone.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut refused = Client::connect(&Address::Port(port));
        assert_eq!((refused.receive(LONG), refused.receive_word(LONG)), (Some(Got::Refused), Got::Refused));
    }
}
