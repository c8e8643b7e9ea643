//! Puts load on a server: many clients send a few bytes each, get them back, and end.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The number of bytes that each client sends.
const SIZE: usize = 64;
/// The longest time for which a client waits for its echo. No server may delay the echo for so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The result of the load.
#[derive(Debug, Default)]
pub struct Load {
    pub served: u64,
    /// The errors, with their numbers.
    pub errors: BTreeMap<String, u64>,
}

/// Connects `total` clients to a port, from `workers` threads. Each thread connects to an address of its own, so that
/// the ports of this machine do not run out. The server must listen on all addresses. `served` counts during the run.
pub fn load(port: u16, total: u64, workers: u8, served: &AtomicU64) -> Load {
    let begun = AtomicU64::new(0);
    let errors = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let (begun, errors) = (&begun, &errors);
            scope.spawn(move || {
                let address = Ipv4Addr::new(127, 0, worker, 1);
                loop {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        break;
                    }
                    match one(address, port, number) {
                        Ok(()) => _ = served.fetch_add(1, Ordering::Relaxed),
                        Err(error) => *errors.lock().unwrap().entry(error).or_insert(0) += 1,
                    }
                }
            });
        }
    });
    Load { served: served.load(Ordering::Relaxed), errors: errors.into_inner().unwrap() }
}

/// Runs one client, which must get back its bytes, and then the end.
fn one(address: Ipv4Addr, port: u16, number: u64) -> Result<(), String> {
    let failed = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let mut text = [0; SIZE];
    text.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&number.to_le_bytes()));
    let mut client = TcpStream::connect((address, port)).map_err(|error| format!("connect: {error}"))?;
    client.set_read_timeout(Some(PATIENCE)).map_err(failed("setsockopt"))?;
    client.write_all(&text).map_err(failed("write"))?;
    let mut back = [0; SIZE];
    client.read_exact(&mut back).map_err(failed("read"))?;
    if back != text {
        return Err("something else came back".to_owned());
    }
    client.shutdown(Shutdown::Write).map_err(failed("shutdown"))?;
    match client.read(&mut back).map_err(failed("read of the end"))? {
        0 => Ok(()),
        _ => Err("more came back".to_owned()),
    }
}
