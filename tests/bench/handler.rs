//! A handler of the library in an ordinary program, with std and unwinding: the bench itself.

use mpserv::server::{Connection, Server, Verbosity};

use crate::Result;

const BUFFER: usize = 4096;

/// Sends back what comes on each connection to this port of 127.0.0.1, until a signal ends the server.
pub fn serve(port: u16, children: u32) -> Result<()> {
    let address = format!("127.0.0.1:{port}");
    let server = Server::new().listen(&address).max_children(children).verbosity(Verbosity::Quiet);
    server.serve(|connection: Connection| {
        let mut buffer = [0; BUFFER];
        while let Ok(length @ 1..) = connection.read(&mut buffer) {
            connection.write_all(&buffer[..length])?;
        }
        Ok(())
    })?;
    Ok(())
}
