//! The HTTP/1 machine in memory, with everything a worker would lend it.
//! Knows no sockets; the time is what the test says it is.

#![allow(dead_code, reason = "every test program uses a part of it")]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use corelane::api::{Delivery, Home, NoBlocking, Outbox, Parcel, Pulse, Remote};
use corelane::clock::Moment;
use corelane::proto::http1::{Assembly, Context, Http1};
use corelane::proto::{Scribe, Tally, Want, Watch};
use corelane::{Handler, Settings};

/// The wall clock of every answer made here.
pub(crate) const UNIX_SECONDS: u64 = 1_700_000_000;

/// One connection's machine.
pub(crate) struct Machine<H> {
    pub(crate) protocol: Http1,
    pub(crate) settings: Settings,
    pub(crate) now: Moment,
    pub(crate) tally: Tally,
    pulse: Pulse,
    /// Everything it sent.
    pub(crate) sent: Vec<u8>,
    handler: H,
    outbox: Outbox,
    remote: Remote,
    assembly: Assembly,
    /// Bytes of memory it may hold.
    pub(crate) memory_left: usize,
    /// Whether its requests waited too long.
    pub(crate) is_overdue: bool,
    /// What came home to it and was not yet told.
    pub(crate) parcels: Arc<Parcels>,
}

/// Where everything from elsewhere waits to be told.
#[derive(Default)]
pub(crate) struct Parcels(Mutex<VecDeque<Parcel>>);

impl Home for Parcels {
    fn take(&self, parcel: Parcel) {
        self.0.lock().unwrap().push_back(parcel);
    }
}

impl<H: Handler> Machine<H> {
    /// A machine at the moment its connection is accepted.
    pub(crate) fn new(settings: Settings, handler: H) -> Machine<H> {
        let now = Moment::from_nanos(1_000_000_000);
        let parcels = Arc::new(Parcels::default());
        let remote = Remote::new(Arc::clone(&parcels) as Arc<dyn Home>, Arc::new(NoBlocking));
        Machine {
            protocol: Http1::new(now, now + settings.lifetime_max),
            outbox: Outbox::new(settings.server_name.as_deref(), UNIX_SECONDS, remote.clone()),
            remote,
            memory_left: usize::MAX,
            is_overdue: false,
            parcels,
            settings,
            now,
            tally: Tally::new(handler.routes().len()),
            pulse: Pulse::new(0),
            sent: Vec::new(),
            handler,
            assembly: Assembly::default(),
        }
    }

    fn event(&mut self, event: impl FnOnce(&mut Http1, &mut Context<'_, H>) -> Want) -> Want {
        let mut cx = Context {
            now: self.now,
            settings: &self.settings,
            assembly: &mut self.assembly,
            outbox: &mut self.outbox,
            handler: &mut self.handler,
            tally: &mut self.tally,
            pulse: &self.pulse,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            key: 0,
            remote: &self.remote,
            memory_left: self.memory_left,
            is_overdue: self.is_overdue,
            is_blocked: false,
            watch: Watch::default(),
            scribe: Scribe::default(),
        };
        let want = event(&mut self.protocol, &mut cx);
        self.outbox.queue.drain_to(&mut self.sent).unwrap();
        if matches!(want, Want::Close(_) | Want::Drop(_)) {
            self.assembly.clear();
        }
        want
    }

    /// Receives as much of `bytes` as one receive takes. Returns how much, and what is wanted.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> (usize, Want) {
        self.assembly.make_space();
        let space = self.assembly.block.space_mut();
        let len = bytes.len().min(space.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.assembly.block.fill(len);
        (len, self.again())
    }

    /// Comes back to what is buffered.
    pub(crate) fn again(&mut self) -> Want {
        self.event(Http1::on_received)
    }

    /// Receives all of `bytes`, coming back as often as wanted, until the end if one comes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Want {
        loop {
            let (len, mut want) = self.receive(bytes);
            bytes = &bytes[len..];
            while want == Want::Again {
                want = self.again();
            }
            if bytes.is_empty() || want != Want::Receive {
                return want;
            }
        }
    }

    pub(crate) fn peer_closed(&mut self) -> Want {
        self.event(Http1::on_peer_closed)
    }

    pub(crate) fn failed(&mut self) -> Want {
        self.event(Http1::on_failed)
    }

    /// The moment has come that the machine named.
    pub(crate) fn deadline_reached(&mut self) -> Want {
        self.event(Http1::on_deadline)
    }

    /// Tells it what came home, the oldest first; nothing if there is nothing.
    pub(crate) fn come_home(&mut self) -> Option<Want> {
        let parcel = self.parcels.0.lock().unwrap().pop_front()?;
        Some(match parcel {
            Parcel::Answer(request, answer) => self.delivered(request.number, answer),
            Parcel::Ask(_) => return None,
            Parcel::Wake(wake) => {
                wake.take();
                self.event(Http1::on_woken)
            }
        })
    }

    /// A wake comes that nobody sent.
    pub(crate) fn woken(&mut self) -> Want {
        self.event(Http1::on_woken)
    }

    /// The answer to request `number` comes home.
    pub(crate) fn delivered(&mut self, number: u32, answer: Delivery) -> Want {
        self.event(|protocol, cx| protocol.on_delivered(cx, number, answer))
    }
}
