//! A handler of the library in an ordinary program, with std and unwinding: the bench itself.

use mpserv::server::{Server, Verbosity};

use crate::Result;

const BUFFER: usize = 4096;

/// Sends back the bytes of each connection to this port of 127.0.0.1, until a signal ends the server.
pub fn serve(port: u16, children: u32) -> Result<()> {
    let address = format!("127.0.0.1:{port}");
    Server::new().listen(&address).max_children(children).verbosity(Verbosity::Quiet).serve(|connection| {
        let mut buffer = [0; BUFFER];
        loop {
            match connection.read(&mut buffer)? {
                0 => return Ok(()),
                length => connection.write_all(&buffer[..length])?,
            }
        }
    })?;
    Ok(())
}
