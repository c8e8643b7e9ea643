//! Pauses: the reasons for which the parent does not accept. Only this module logs when a pause begins and ends.

use super::state::{Limit, LimitReached, Parent, Shortage};
use crate::server::child::Worker;
use crate::server::connection::Connection;
use crate::server::limits::{BUSY_MESSAGE, CLIENT_KEPT, LISTENERS_MAX, RETRY_EVERY};
use crate::server::log::Throttled;
use crate::sys::errno::Errno;

/// The reason why the parent accepts no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Blocked {
    /// Preforked children accept connections instead.
    Prefork,
    Stopping,
    Shortage,
    Limit(Limit),
}

impl Limit {
    /// Returns the option that sets the limit.
    const fn name(self) -> &'static str {
        match self {
            Limit::MaxChildren => "max-children",
            Limit::MaxRate => "max-rate",
        }
    }

    const fn throttled(self) -> Throttled {
        match self {
            Limit::MaxChildren => Throttled::MaxChildren,
            Limit::MaxRate => Throttled::MaxRate,
        }
    }
}

impl<W: Worker> Parent<'_, '_, W> {
    /// Returns the reason why the parent accepts no connection, if there is one. Changes nothing.
    pub(super) fn blocked(&self) -> Option<Blocked> {
        let opens_at = self.rate.as_ref().and_then(|rate| rate.opens_at());
        if self.pool.is_some() {
            Some(Blocked::Prefork)
        } else if self.state.stopping.is_some() {
            Some(Blocked::Stopping)
        } else if self.state.shortage.as_ref().is_some_and(|shortage| shortage.retry_at.is_some()) {
            Some(Blocked::Shortage)
        } else if self.is_full() {
            Some(Blocked::Limit(Limit::MaxChildren))
        } else if opens_at.is_some_and(|opens| self.state.now < opens) {
            Some(Blocked::Limit(Limit::MaxRate))
        } else {
            None
        }
    }

    /// Returns [`blocked`](Parent::blocked). Logs if a limit has been reached, or is no longer reached.
    pub(super) fn note_blocked(&mut self) -> Option<Blocked> {
        let blocked = self.blocked();
        let limit = match blocked {
            Some(Blocked::Limit(limit)) => Some(limit),
            None => None,
            // These reasons say nothing about the limits.
            Some(Blocked::Prefork | Blocked::Stopping | Blocked::Shortage) => return blocked,
        };
        if limit != self.state.limit_reached.map(|reached| reached.limit) {
            self.limit_over();
            if let Some(limit) = limit {
                self.limit_reached(limit);
            }
        }
        blocked
    }

    fn limit_reached(&mut self, limit: Limit) {
        let since = self.state.now;
        let count = self.throttle.admit(limit.throttled(), since);
        self.state.limit_reached = Some(LimitReached { limit, since, is_logged: count.is_some() });
        if let Some(count) = count {
            self.log.limit_reached(limit.name(), self.state.children.len(), count);
        }
    }

    fn limit_over(&mut self) {
        if let Some(LimitReached { limit, since, is_logged: true }) = self.state.limit_reached.take() {
            self.log.resume(limit.name(), self.state.now - since);
        }
    }

    /// Stops accepting for a while, because a call has failed for lack of a resource. `client` is a client without a
    /// process, if there is one. A pool, whose children accept, makes no further children for a while.
    pub(super) fn shortage(&mut self, call: &'static str, errno: Errno, client: Option<Connection>) {
        let since = self.state.now;
        let retry_at = Some(since + RETRY_EVERY);
        if let Some(shortage) = &mut self.state.shortage {
            (shortage.retry_at, shortage.client) = (retry_at, client);
            return;
        }
        let count = self.throttle.admit(Throttled::Shortage, since);
        if let Some(count) = count {
            self.log.shortage(call, errno, count);
        }
        self.state.shortage = Some(Shortage { call, since, retry_at, is_logged: count.is_some(), client });
    }

    /// Ends a shortage: the call has succeeded, or does not fail any more. A client that waits for a process goes on
    /// waiting.
    pub(super) fn shortage_over(&mut self) {
        let over = self.state.shortage.take_if(|shortage| shortage.client.is_none());
        if let Some(shortage) = over.filter(|shortage| shortage.is_logged) {
            self.log.resume(shortage.call, self.state.now - shortage.since);
        }
    }

    /// Tries again after a shortage: starts a child for the client that is kept, or accepts.
    pub(super) fn retry(&mut self) {
        let now = self.state.now;
        let Some(shortage) = &mut self.state.shortage else { return };
        shortage.retry_at = None;
        let is_late = now - shortage.since >= CLIENT_KEPT;
        match shortage.client.take() {
            // Call accept4() even if no client has come meanwhile, because only a try tells whether the shortage is
            // over.
            None => self.state.ready = [true; LISTENERS_MAX],
            // There is a slot, because no client was accepted since.
            Some(client) if !is_late => self.start(client),
            Some(client) => {
                // The wait of the next client begins anew.
                self.shortage_over();
                self.refuse(&client.peer(), "no process could be started", client.from_source());
                self.reject(client, BUSY_MESSAGE);
            }
        }
    }
}
