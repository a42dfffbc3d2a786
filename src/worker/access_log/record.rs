//! One answer in as few bytes as may be, as the worker notes it and the writer reads it.
//! Knows nothing of how it is written down.
//!
//! ```text
//!   72 bytes of numbers | method | target | Referer | User-Agent
//! ```

use std::net::{IpAddr, Ipv6Addr};

use crate::clock::Moment;
use crate::limits::{
    ACCESS_LOG_BATCH_BYTES, ACCESS_LOG_FIELD_BYTES, ACCESS_LOG_TARGET_BYTES, METHOD_BYTES_MAX,
};
use crate::proto::{Answered, Entry, Extent, Why};
use crate::wire::head::{Head, Version};
use crate::wire::refusal::Refusal;

/// Bytes of the numbers; where each stands is said by the constants below.
const NUMBERS: usize = 72;

const RECORD_MAX: usize =
    NUMBERS + METHOD_BYTES_MAX + ACCESS_LOG_TARGET_BYTES + 2 * ACCESS_LOG_FIELD_BYTES;

const _: () = assert!(RECORD_MAX <= ACCESS_LOG_BATCH_BYTES && RECORD_MAX < ABSENT as usize);
const _: () = assert!(METHOD_BYTES_MAX < u8::MAX as usize);

const LEN: usize = 0;
const STATUS: usize = 4;
const METHOD_LEN: usize = 6;
const VERSION: usize = 7;
const SEEN: usize = 8;
const BODY: usize = 16;
const MICROS: usize = 24;
const NUMBER: usize = 32;
const ROUTE: usize = 36;
const CLIENT: usize = 40;
const PORT: usize = 56;
const TARGET_LEN: usize = 58;
const REFERER_LEN: usize = 60;
const AGENT_LEN: usize = 62;
const MARKS: usize = 64;
const WHY: usize = 65;

/// The length of a field that was not there.
const ABSENT: u16 = u16::MAX;

const CUT: u8 = 1;
const UNFINISHED: u8 = 2;
const SHORT_TARGET: u8 = 4;
const SHORT_REFERER: u8 = 8;
const SHORT_AGENT: u8 = 16;

const HTTP_10: u8 = 0;
const HTTP_11: u8 = 1;
const UNKNOWN: u8 = 2;

/// Of the reasons, the refusals come first, by their numbers.
const SERVED: u8 = u8::MAX;
const OVERLOADED: u8 = u8::MAX - 1;
const NO_ROOM: u8 = u8::MAX - 2;

const _: () = assert!(Refusal::ALL.len() < NO_ROOM as usize);

/// The texts of a head.
#[derive(Default)]
struct Texts<'a> {
    method: &'a [u8],
    target: &'a [u8],
    referer: Option<&'a [u8]>,
    agent: Option<&'a [u8]>,
}

impl<'a> Texts<'a> {
    #[inline]
    fn of(head: &Head, block: &'a [u8]) -> Texts<'a> {
        let (method, target) = (head.method_name.of(block), head.target.of(block));
        let mut texts = Texts { method, target, ..Texts::default() };
        for field in &head.fields {
            let is = |name: &[u8]| field.name.of(block).eq_ignore_ascii_case(name);
            let place = match field.name.len() {
                7 if is(b"referer") => &mut texts.referer,
                10 if is(b"user-agent") => &mut texts.agent,
                _ => continue,
            };
            place.get_or_insert(field.value.of(block));
        }
        texts
    }
}

/// Appends the record of `entry`, without its times.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let texts = entry.head.map_or_else(Texts::default, |(head, block)| Texts::of(head, block));
    let mut numbers = [0; NUMBERS];
    numbers[METHOD_LEN] = texts.method.len() as u8;
    numbers[VERSION] = match entry.head {
        None => UNKNOWN,
        Some((head, _)) if head.version == Version::Http10 => HTTP_10,
        Some(_) => HTTP_11,
    };
    put(&mut numbers, NUMBER, entry.number.to_le_bytes());
    put(&mut numbers, CLIENT, mapped(entry.client));
    put(&mut numbers, PORT, entry.port.to_le_bytes());
    let mut shortened = |text: Option<&'_ [u8]>, most: usize, at: usize, mark: u8| {
        let len = text.map_or(0, <[u8]>::len);
        let kept = len.min(most);
        let told = if text.is_some() { kept as u16 } else { ABSENT };
        put(&mut numbers, at, told.to_le_bytes());
        numbers[MARKS] |= if len > most { mark } else { 0 };
        kept
    };
    let target = shortened(Some(texts.target), ACCESS_LOG_TARGET_BYTES, TARGET_LEN, SHORT_TARGET);
    let most = ACCESS_LOG_FIELD_BYTES;
    let referer = shortened(texts.referer, most, REFERER_LEN, SHORT_REFERER);
    let agent = shortened(texts.agent, most, AGENT_LEN, SHORT_AGENT);
    let len = NUMBERS + texts.method.len() + target + referer + agent;
    put(&mut numbers, LEN, (len as u32).to_le_bytes());
    answer(&mut numbers, &entry.answered);

    out.reserve(len);
    out.extend_from_slice(&numbers);
    out.extend_from_slice(texts.method);
    out.extend_from_slice(&texts.target[..target]);
    out.extend_from_slice(&texts.referer.unwrap_or_default()[..referer]);
    out.extend_from_slice(&texts.agent.unwrap_or_default()[..agent]);
}

/// Writes the answer into a record.
pub(super) fn answer(record: &mut [u8], answered: &Answered) {
    put(record, STATUS, answered.status.code().to_le_bytes());
    put(record, BODY, answered.body_bytes.to_le_bytes());
    put(record, ROUTE, answered.route.to_le_bytes());
    record[MARKS] |= match answered.extent {
        Extent::Whole => 0,
        Extent::Cut => CUT,
        Extent::Unfinished => UNFINISHED,
    };
    record[WHY] = match answered.why {
        Why::Served => SERVED,
        Why::Refused(refusal) => refusal as u8,
        Why::Overloaded => OVERLOADED,
        Why::NoRoom => NO_ROOM,
    };
}

/// Writes when the request was seen and what it took into a record.
#[inline]
pub(super) fn time(record: &mut [u8], seen: Moment, micros: u64) {
    put(record, SEEN, seen.as_nanos().to_le_bytes());
    put(record, MICROS, micros.to_le_bytes());
}

/// Of the answers of these records, so many of the last bytes were never sent. What of them is
/// heads is not known, and taken for body.
pub(super) fn cut(bytes: &mut [u8], mut unsent: usize) {
    if unsent == 0 {
        return;
    }
    // Seldom: a connection ended under its answers.
    let mut starts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        starts.push(at);
        at += len(&bytes[at..]);
    }
    for start in starts.into_iter().rev() {
        if unsent == 0 {
            break;
        }
        let record = &mut bytes[start..];
        let body = u64::from_le_bytes(get(record, BODY));
        let missing = body.min(unsent as u64);
        put(record, BODY, (body - missing).to_le_bytes());
        record[MARKS] |= CUT;
        unsent -= missing as usize;
    }
}

/// Gives the routes of these records their new numbers.
pub(in crate::worker) fn renumber(mut bytes: &mut [u8], renumbered: &[u32], none: u32) {
    while !bytes.is_empty() {
        let route = u32::from_le_bytes(get(bytes, ROUTE)) as usize;
        put(bytes, ROUTE, renumbered.get(route).unwrap_or(&none).to_le_bytes());
        let (_, others) = bytes.split_at_mut(len(bytes));
        bytes = others;
    }
}

/// Bytes of the first record.
#[inline]
pub(super) fn len(bytes: &[u8]) -> usize {
    u32::from_le_bytes(get(bytes, LEN)) as usize
}

/// The records of a batch.
pub fn records(mut bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (record, others) = bytes.split_at(len(bytes));
        bytes = others;
        Some(Record(record))
    })
}

/// What is known of one answer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// When the worker saw the last bytes of the request.
    pub fn seen(&self) -> Moment {
        Moment::from_nanos(u64::from_le_bytes(get(self.0, SEEN)))
    }

    /// Microseconds from there to the moment the kernel took the answer.
    pub fn micros(&self) -> u64 {
        u64::from_le_bytes(get(self.0, MICROS))
    }

    /// The client's address.
    pub fn client(&self) -> IpAddr {
        IpAddr::from(Ipv6Addr::from(get::<16>(self.0, CLIENT))).to_canonical()
    }

    /// The peer's port.
    pub fn port(&self) -> u16 {
        u16::from_le_bytes(get(self.0, PORT))
    }

    /// The request's number on its connection.
    pub fn number(&self) -> u32 {
        u32::from_le_bytes(get(self.0, NUMBER))
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        u16::from_le_bytes(get(self.0, STATUS))
    }

    /// Bytes of its body that were sent.
    pub fn body_bytes(&self) -> u64 {
        u64::from_le_bytes(get(self.0, BODY))
    }

    /// The number of the route that matched.
    pub fn route(&self) -> u32 {
        u32::from_le_bytes(get(self.0, ROUTE))
    }

    /// Whether the end of the answer is missing.
    pub fn is_cut(&self) -> bool {
        self.0[MARKS] & (CUT | UNFINISHED) != 0
    }

    /// Whether it counts as no answer, for its connection ended under it.
    pub fn is_unfinished(&self) -> bool {
        self.0[MARKS] & UNFINISHED != 0
    }

    /// Whether the target or a field is not there to its end.
    pub fn is_shortened(&self) -> bool {
        self.0[MARKS] & (SHORT_TARGET | SHORT_REFERER | SHORT_AGENT) != 0
    }

    /// Why the application was not asked, by the name that statistics use.
    pub fn refused(&self) -> Option<&'static str> {
        match self.0[WHY] {
            SERVED => None,
            OVERLOADED => Some("overloaded"),
            NO_ROOM => Some("no_room"),
            refusal => Refusal::ALL.get(usize::from(refusal)).map(|refusal| refusal.name()),
        }
    }

    /// The version of the request; `None` if the request never was whole.
    pub fn version(&self) -> Option<Version> {
        match self.0[VERSION] {
            HTTP_10 => Some(Version::Http10),
            HTTP_11 => Some(Version::Http11),
            _ => None,
        }
    }

    /// The method.
    pub fn method(&self) -> &'a [u8] {
        &self.0[NUMBERS..NUMBERS + usize::from(self.0[METHOD_LEN])]
    }

    /// The target.
    pub fn target(&self) -> Text<'a> {
        let start = NUMBERS + usize::from(self.0[METHOD_LEN]);
        let bytes = &self.0[start..start + self.len_of(TARGET_LEN).unwrap_or(0)];
        Text { bytes, is_shortened: self.0[MARKS] & SHORT_TARGET != 0 }
    }

    /// `Referer`.
    pub fn referer(&self) -> Option<Text<'a>> {
        let agent = self.len_of(AGENT_LEN).unwrap_or(0);
        let (end, len) = (self.0.len() - agent, self.len_of(REFERER_LEN)?);
        let is_shortened = self.0[MARKS] & SHORT_REFERER != 0;
        Some(Text { bytes: &self.0[end - len..end], is_shortened })
    }

    /// `User-Agent`.
    pub fn agent(&self) -> Option<Text<'a>> {
        let (end, len) = (self.0.len(), self.len_of(AGENT_LEN)?);
        let is_shortened = self.0[MARKS] & SHORT_AGENT != 0;
        Some(Text { bytes: &self.0[end - len..], is_shortened })
    }

    fn len_of(&self, at: usize) -> Option<usize> {
        let len = u16::from_le_bytes(get(self.0, at));
        (len != ABSENT).then_some(usize::from(len))
    }
}

/// What a client sent, if need be without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether its end is missing.
    pub is_shortened: bool,
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[inline]
fn get<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&record[at..at + N]);
    bytes
}

#[inline]
fn put<const N: usize>(record: &mut [u8], at: usize, bytes: [u8; N]) {
    record[at..at + N].copy_from_slice(&bytes);
}
