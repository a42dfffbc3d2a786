//! A request as a handler sees it: a view of the block it was received in.
//! Knows nothing of connections; lives for one call.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use percent_encoding::percent_decode;

use super::{AnswerCounts, Error, RefusedPath, Remote, RequestKey, RouteSlot, Waker};
use crate::limits::ROUTE_PARAMS_MAX;
use crate::settings::{ClientAddressField, Settings};
use crate::wire::forwarded::{client_by_forwarded, client_by_x_forwarded_for};
use crate::wire::head::{Head, Method, Version};
use crate::wire::status::Status;
use crate::wire::target::Target;
use crate::wire::trailer;
use crate::wire::{accept, cookie};

/// The parameters a route matched, as sent: name and raw value.
pub type Params<'a> = ArrayVec<(&'a str, &'a [u8]), ROUTE_PARAMS_MAX>;

/// Where the parts of a request lie.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The parsed head.
    pub head: &'a Head,
    /// The block the head's offsets refer to.
    pub block: &'a [u8],
    /// The target's form and parts.
    pub target: Target,
    /// The whole body.
    pub body: &'a [u8],
    /// Whether a hook decoded it: `Content-Encoding` is then of the one that came.
    pub is_decoded: bool,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The trailer section of a chunked body, as sent.
    pub trailers: &'a [u8],
    /// Which request it is.
    pub key: RequestKey,
    /// The way to its worker.
    pub remote: &'a Remote,
    /// Which proxies are believed.
    pub settings: &'a Settings,
}

/// One request. Everything it gives out borrows from the block it was received in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    parts: &'a RequestParts<'a>,
    params: &'a [(&'a str, &'a [u8])],
    route: &'a RouteSlot,
}

impl<'a> Request<'a> {
    /// A request whose route will be noted in `route`.
    #[inline]
    pub fn new(parts: &'a RequestParts<'a>, route: &'a RouteSlot) -> Request<'a> {
        Request { parts, params: &[], route }
    }

    /// Which request it is, among all of its worker.
    pub(crate) fn key(&self) -> RequestKey {
        self.parts.key
    }

    /// Where its parts lie.
    pub(crate) fn parts(&self) -> &'a RequestParts<'a> {
        self.parts
    }

    /// The same request with the parameters its route matched.
    #[inline]
    #[must_use]
    pub fn with_params<'b>(&self, params: &'b [(&'b str, &'b [u8])]) -> Request<'b>
    where
        'a: 'b,
    {
        Request { parts: self.parts, params, route: self.route }
    }

    /// The same request with other parts.
    #[must_use]
    pub(crate) fn with_parts<'b>(&self, parts: &'b RequestParts<'b>) -> Request<'b>
    where
        'a: 'b,
    {
        Request { parts, params: self.params, route: self.route }
    }

    /// Notes that route number `route` of [`super::Handler::routes`] answers this request.
    #[inline]
    pub fn note_route(&self, route: u16) {
        self.route.note(route);
    }

    /// Counts that no file is served for this path.
    pub fn refuse_path(&self, why: RefusedPath) {
        self.route.refuse_path(why);
    }

    /// Where hooks count what they do with answers, for `/metrics`: to be kept by a hook that
    /// counts when no request is at hand.
    pub fn answer_counts(&self) -> &'a Arc<AnswerCounts> {
        self.route.answer_counts()
    }

    /// The method; [`Method::Unknown`] never reaches a handler.
    #[inline]
    pub fn method(&self) -> Method {
        self.parts.head.method
    }

    /// The version the client speaks.
    pub fn version(&self) -> Version {
        self.parts.head.version
    }

    /// The target as sent.
    pub fn target(&self) -> &'a str {
        ascii(self.parts.head.target.of(self.parts.block))
    }

    /// The target's path as sent, percent escapes included; `*` for the asterisk form.
    pub fn path(&self) -> &'a str {
        ascii(self.path_bytes())
    }

    /// [`Request::path`] as bytes, all of them ASCII.
    #[inline]
    pub fn path_bytes(&self) -> &'a [u8] {
        self.parts.target.path_of(self.parts.block)
    }

    /// Whether the path contains percent escapes.
    #[inline]
    pub fn path_has_escapes(&self) -> bool {
        self.parts.target.path_has_escapes
    }

    /// The target's query as sent, without its question mark; empty if there is none.
    pub fn query_string(&self) -> &'a str {
        ascii(self.parts.target.query.of(self.parts.block))
    }

    /// The host and port the request is for: the target's in its absolute form, else the value
    /// of `Host` (RFC 9112 section 3.2.2).
    pub fn host(&self) -> Option<&'a str> {
        match self.parts.target.authority {
            authority if authority.is_empty() => self.header("host"),
            authority => Some(ascii(authority.of(self.parts.block))),
        }
    }

    /// The address of the peer, which may be a proxy; see [`Request::client_address`]. Of a proxy
    /// that speaks the PROXY protocol, it is what the header said.
    pub fn peer(&self) -> SocketAddr {
        self.parts.peer
    }

    /// The address of the client: the peer's, unless the peer is one of
    /// [`Settings::trusted_proxies`] and says for whom it asks in
    /// [`Settings::client_address_field`]. Hops are then followed from the last to the first for
    /// as long as each of them is trusted; one that names no address ends the walk.
    pub fn client_address(&self) -> IpAddr {
        let Settings { trusted_proxies, client_address_field, .. } = self.parts.settings;
        let is_trusted = |ip| trusted_proxies.iter().any(|network| network.contains(ip));
        let values = |wanted: &'static str| {
            let fields = self.parts.head.fields.iter().rev();
            let block = self.parts.block;
            fields
                .filter(move |field| field.name.of(block).eq_ignore_ascii_case(wanted.as_bytes()))
                .map(move |field| field.value.of(block))
        };
        let peer = self.parts.peer.ip();
        match client_address_field {
            ClientAddressField::Forwarded => {
                client_by_forwarded(peer, values("forwarded"), is_trusted)
            }
            ClientAddressField::XForwardedFor => {
                client_by_x_forwarded_for(peer, values("x-forwarded-for"), is_trusted)
            }
        }
    }

    /// The value of the first field of this name, if it is UTF-8; names have no case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.header_bytes(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The value of the first field of this name as sent.
    pub fn header_bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.parts.head.field(self.parts.block, name)
    }

    /// The values of every field of this name, in the order sent.
    pub(crate) fn header_values<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
        values_of(self.parts.head, self.parts.block, name)
    }

    /// Every field in the order sent: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let block = self.parts.block;
        let fields = &self.parts.head.fields;
        fields.iter().map(move |field| (ascii(field.name.of(block)), field.value.of(block)))
    }

    /// The fields of the trailer section that came behind a chunked body, in the order sent,
    /// without those that have no meaning there (RFC 9110 section 6.5.1): a sender could otherwise
    /// put framing, routing or credentials where nobody looked.
    pub fn trailers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        trailer::fields(self.parts.trailers).map(|(name, value)| (ascii(name), value))
    }

    /// Whether the client waits for leave to send its body (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        let expects = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        self.version() == Version::Http11 && self.header_bytes("expect").is_some_and(expects)
    }

    /// Wakes this request's connection from any thread, so that its [`super::Sink`] or
    /// [`super::Source`] is asked again.
    pub fn waker(&self) -> Waker {
        self.parts.remote.waker(self.parts.key.connection)
    }

    /// The whole body; empty where a [`super::Sink`] took it.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        self.parts.body
    }

    /// Whether the body is in a content coding that nobody has undone.
    pub(crate) fn is_encoded(&self) -> bool {
        let coding = self.header_bytes("content-encoding").unwrap_or_default();
        !self.parts.is_decoded && !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    }

    /// What such a body is answered with where it is to be read (RFC 9110 section 15.5.16).
    #[cold]
    pub(crate) fn encoded_refusal() -> Error {
        let message = "the body is in a content coding";
        let error = Error::new(Status::UNSUPPORTED_MEDIA_TYPE, message);
        error.with_header("Accept-Encoding", "identity".to_owned())
    }

    pub(super) fn expect_plain(&self) -> Result<(), Error> {
        if self.is_encoded() { Err(Request::encoded_refusal()) } else { Ok(()) }
    }

    /// The body as text.
    ///
    /// # Errors
    /// 400 if it is not UTF-8, 415 if it is in a content coding; see
    /// [`crate::app::middleware::DecodeBody`].
    pub fn body_text(&self) -> Result<&'a str, Error> {
        self.expect_plain()?;
        std::str::from_utf8(self.parts.body)
            .map_err(|_| Error::bad_request("the body is not UTF-8"))
    }

    /// The route's parameter `name`, percent-decoded and parsed.
    ///
    /// # Errors
    /// 400 if its value cannot be parsed, 500 if the route has no such parameter.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T, Error> {
        self.param_text(name)?
            .parse()
            .map_err(|_| Error::bad_request(format!("the path's `{name}` is not valid")))
    }

    /// The route's parameter `name`, percent-decoded.
    ///
    /// # Errors
    /// 400 if it is not UTF-8, 500 if the route has no such parameter.
    pub fn param_text(&self, name: &str) -> Result<Cow<'a, str>, Error> {
        let (_, raw) = self
            .params
            .iter()
            .find(|(candidate, _)| *candidate == name)
            .ok_or_else(|| Error::internal(format!("the route has no parameter `{name}`")))?;
        percent_decode(raw)
            .decode_utf8()
            .map_err(|_| Error::bad_request(format!("the path's `{name}` is not UTF-8")))
    }

    /// The route's parameter `name` as sent, but for escapes that mean no more than their
    /// character.
    pub fn param_raw(&self, name: &str) -> Option<&'a [u8]> {
        self.params.iter().find(|(candidate, _)| *candidate == name).map(|(_, raw)| *raw)
    }

    /// The first query parameter `name`, decoded; `+` is a blank.
    pub fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        self.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Every query parameter in order, decoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        form_urlencoded::parse(self.query_string().as_bytes())
    }

    /// Every field of a form sent as `application/x-www-form-urlencoded`, decoded.
    ///
    /// # Errors
    /// 415 if the body is declared to be something else.
    pub fn form_pairs(
        &self,
    ) -> Result<impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a>, Error> {
        self.expect_content_type("application/x-www-form-urlencoded")?;
        Ok(form_urlencoded::parse(self.parts.body))
    }

    /// The first field `name` of a form, decoded.
    ///
    /// # Errors
    /// As [`Request::form_pairs`].
    pub fn form(&self, name: &str) -> Result<Option<Cow<'a, str>>, Error> {
        Ok(self.form_pairs()?.find(|(key, _)| key == name).map(|(_, value)| value))
    }

    /// Whether the client's `Accept` names JSON: then errors are answered so.
    pub fn accepts_json(&self) -> bool {
        accepts_json(self.parts.head, self.parts.block)
    }

    /// The one of `offered`, such as `["application/json", "text/html"]`, that the client likes
    /// best by its `Accept` (RFC 9110 section 12.5.1); of those it likes the same, the first. An
    /// answer that depends on it says `Vary: Accept`.
    ///
    /// # Errors
    /// 406 if the client takes none of them.
    pub fn accepts<'o>(&self, offered: &[&'o str]) -> Result<&'o str, Error> {
        let accept = self.header_values("accept");
        accept::preferred(accept, offered).ok_or_else(|| {
            let message = format!("there is {}", offered.join(", "));
            Error::new(Status::NOT_ACCEPTABLE, message)
        })
    }

    /// Every cookie in the order sent, with its name; those that are not UTF-8 are left out. A
    /// value has no quotation marks around it, and is not decoded otherwise.
    pub fn cookies(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let values = self.header_values("cookie");
        values.flat_map(cookie::pairs).filter_map(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
        })
    }

    /// The cookie of this name: of several the first, which clients send for the longest path.
    /// Names have case.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        self.cookies().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The id of the last event that a client of events has seen, which lost its connection.
    pub fn last_event_id(&self) -> Option<&'a str> {
        self.header("last-event-id")
    }

    /// The type that the body is declared to have, without parameters.
    pub(super) fn content_type(&self) -> &'a str {
        let declared = self.header("content-type").unwrap_or_default();
        declared.split(';').next().unwrap_or_default().trim()
    }

    /// Refuses a body that is declared to be something other than `wanted`.
    pub(crate) fn expect_content_type(&self, wanted: &str) -> Result<(), Error> {
        self.expect_plain()?;
        if self.content_type().eq_ignore_ascii_case(wanted) {
            return Ok(());
        }
        let message = format!("the body must be {wanted}");
        Err(Error::new(Status::UNSUPPORTED_MEDIA_TYPE, message))
    }
}

/// Whether the `Accept` of `head` names JSON; a wildcard does not.
pub fn accepts_json(head: &Head, block: &[u8]) -> bool {
    accept::names_json(values_of(head, block, "accept"))
}

/// The values of every field of this name, in the order sent.
fn values_of<'a, 'n>(
    head: &'a Head,
    block: &'a [u8],
    name: &'n str,
) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a, 'n> {
    let is_named = move |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
    let fields = head.fields.iter().filter(move |field| is_named(field.name.of(block)));
    fields.map(move |field| field.value.of(block))
}

/// Bytes that the head parser has already found to be ASCII.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
