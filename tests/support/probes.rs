//! The probes of Http11Probe, by the statuses with which each passes or only warns.
//! Knows the probes' bytes, and nothing of who sends them.

use crate::probe::{Group, Probe, Wants, coded, cookie, echo, echo_post, get, line, post, raw};

/// What an echo and an OPTIONS answer.
const SERVED: &[u16] = &[200, 204];

/// An empty chunked body, and what an attacker hides behind it.
const HIDDEN: &[u8] = b"0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A rule of the grammar or of framing is broken: refused, or closed without a word.
const BROKEN: &[Probe] = &[
    get("RFC9112-5-EMPTY-HEADER-NAME", b": x"),
    line("RFC9112-3-MISSING-TARGET", b"GET HTTP/1.1"),
    get("RFC9112-5-INVALID-HEADER-NAME", b"X[Y: z"),
    get("RFC9112-5-HEADER-NO-COLON", b"X"),
    post("RFC9112-6.1-CL-NON-NUMERIC", b"Content-Length: abc", b""),
    post("RFC9112-6.1-CL-PLUS-SIGN", b"Content-Length: +5", b"abcde"),
    line("COMP-WHITESPACE-BEFORE-HEADERS", b"GET / HTTP/1.1\r\n "),
    raw("COMP-HOST-WITH-USERINFO", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    raw("COMP-HOST-WITH-PATH", b"GET / HTTP/1.1\r\nHost: a/a\r\n\r\n"),
    line("COMP-ASTERISK-WITH-GET", b"GET * HTTP/1.1"),
    raw("COMP-HOST-EMPTY-VALUE", b"GET / HTTP/1.1\r\nHost: \r\n\r\n"),
    line("COMP-VERSION-MISSING-MINOR", b"GET / HTTP/1"),
    line("COMP-VERSION-LEADING-ZEROS", b"GET / HTTP/01.01"),
    line("COMP-VERSION-WHITESPACE", b"GET / HTTP/ 1.1"),
    line("COMP-VERSION-CASE", b"GET / http/1.1"),
    line("COMP-SPACE-IN-TARGET", b"GET /a b HTTP/1.1"),
    post("SMUG-DUPLICATE-CL", b"Content-Length: 5\r\nContent-Length: 10", b"abcdefghij"),
    post("SMUG-TE-SP-BEFORE-COLON", b"Transfer-Encoding : chunked\r\nContent-Length: 5", b"abcde"),
    post("SMUG-CL-NEGATIVE", b"Content-Length: -1", b""),
    post("SMUG-CL-COMMA-DIFFERENT", b"Content-Length: 5, 10", b"abcde"),
    post("SMUG-TE-NOT-FINAL-CHUNKED", b"Transfer-Encoding: chunked, gzip", b"0\r\n\r\n"),
    raw(
        "SMUG-TE-HTTP10",
        b"POST / HTTP/1.0\r\nHost: a\r\n\
        Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nabcde",
    ),
    coded("SMUG-CHUNK-BARE-SEMICOLON", b"5;\r\nabcde\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-EXT-INVALID-TOKEN", b"5;a[=x\r\nabcde\r\n0\r\n\r\n"),
    post("SMUG-BARE-CR-HEADER-VALUE", b"Content-Length: 5\r\nX: y\rz", b"abcde"),
    post("SMUG-CL-OCTAL", b"Content-Length: 0o5", b"abcde"),
    coded("SMUG-CHUNK-UNDERSCORE", b"1_0\r\nabcde fghij!!!!!\r\n0\r\n\r\n"),
    post("SMUG-TE-EMPTY-VALUE", b"Transfer-Encoding: \r\nContent-Length: 5", b"abcde"),
    post(
        "SMUG-TE-DUPLICATE-HEADERS",
        b"Transfer-Encoding: chunked\r\n\
        Transfer-Encoding: identity\r\nContent-Length: 5",
        b"abcde",
    ),
    coded("SMUG-CHUNK-HEX-PREFIX", b"0x5\r\nabcde\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-SIZE-PLUS", b"+5\r\nabcde\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-SIZE-TRAILING-OWS", b"5 \r\nabcde\r\n0\r\n\r\n"),
    post("SMUG-CL-HEX-PREFIX", b"Content-Length: 0x5", b"abcde"),
    post("SMUG-CL-INTERNAL-SPACE", b"Content-Length: 1 0", b"abcde12345"),
    coded("SMUG-CHUNK-LEADING-SP", b" 5\r\nabcde\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-MISSING-TRAILING-CRLF", b"5\r\nabcde0\r\n\r\n"),
    coded("SMUG-CHUNK-SPILL", b"5\r\nabcde!!\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-EXT-CTRL", b"5;\x00a\r\nabcde\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-EXT-CR", b"5;a\rb\r\nabcde\r\n0\r\n\r\n"),
    post("SMUG-TE-VTAB", b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5", b"abcde"),
    post("SMUG-TE-FORMFEED", b"Transfer-Encoding: \x0cchunked\r\nContent-Length: 5", b"abcde"),
    post("SMUG-TE-NULL", b"Transfer-Encoding: chunked\x00\r\nContent-Length: 5", b"abcde"),
    coded("SMUG-CHUNK-NEGATIVE", b"-1\r\nabcde\r\n0\r\n\r\n"),
    post("SMUG-CL-UNDERSCORE", b"Content-Length: 1_0", b"abcdefghij"),
    post("SMUG-CL-NEGATIVE-ZERO", b"Content-Length: -0", b""),
    raw("SMUG-MULTIPLE-HOST-COMMA", b"GET / HTTP/1.1\r\nHost: a, b.example\r\n\r\n"),
    coded("SMUG-CHUNK-BARE-CR-TERM", b"5\rabcde\r\n0\r\n\r\n"),
    line("MAL-NUL-IN-URL", b"GET /\x00a HTTP/1.1"),
    get("MAL-CONTROL-CHARS-HEADER", b"X: y\x07\x08z"),
    get("MAL-NON-ASCII-HEADER-NAME", b"X\xc3\xab: y"),
    line("MAL-NON-ASCII-URL", b"GET /\xc3\xa9 HTTP/1.1"),
    post("MAL-CL-OVERFLOW", b"Content-Length: 99999999999999999999", b""),
    get("MAL-NUL-IN-HEADER-VALUE", b"X: y\x00z"),
    coded("MAL-CHUNK-SIZE-OVERFLOW", b"FFFFFFFFFFFFFFFF0\r\nabcde\r\n0\r\n\r\n"),
    post("MAL-CL-EMPTY", b"Content-Length: ", b""),
    line("MAL-URL-OVERLONG-UTF8", b"GET /\xc0\xaf HTTP/1.1"),
    get("RFC9112-5.1-OBS-FOLD", b"X: y\r\n continued"),
    get("RFC9110-5.6.2-SP-BEFORE-COLON", b"X : y"),
    raw("RFC9112-7.1-MISSING-HOST", b"GET / HTTP/1.1\r\n\r\n"),
    raw("RFC9112-3-CR-ONLY-LINE-ENDING", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    get("RFC9110-5.4-DUPLICATE-HOST", b"Host: b.example"),
    get("COMP-DUPLICATE-HOST-SAME", b"Host: a"),
    line("MAL-LONG-METHOD", b"@ / HTTP/1.1").filled(b"A", 100_000),
];

/// What could be read in two ways, with a request hidden behind the first reading.
const TWO_READINGS: &[Probe] = &[
    post("SMUG-CLTE-CONN-CLOSE", b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    post("SMUG-TECL-CONN-CLOSE", b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    post("SMUG-CLTE-DESYNC", b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\nX"),
    post("SMUG-TECL-DESYNC", b"Transfer-Encoding: chunked\r\nContent-Length: 30", b"0\r\n\r\nX"),
    raw(
        "SMUG-OPTIONS-TE-OBS-FOLD",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\
        Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nabcde",
    ),
    coded("SMUG-CHUNK-INVALID-SIZE-DESYNC", b"+0\r\n\r\nX"),
    post("SMUG-CLTE-SMUGGLED-GET", b"Content-Length: 32\r\nTransfer-Encoding: chunked", HIDDEN),
    post(
        "SMUG-CLTE-SMUGGLED-GET-CL-PLUS",
        b"Content-Length: +32\r\nTransfer-Encoding: chunked",
        HIDDEN,
    ),
    post(
        "SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC",
        b"Content-Length: 32x\r\nTransfer-Encoding: chunked",
        HIDDEN,
    ),
    post(
        "SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD",
        b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 32",
        HIDDEN,
    ),
    post(
        "SMUG-CLTE-SMUGGLED-HEAD",
        b"Content-Length: 33\r\nTransfer-Encoding: chunked",
        b"0\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    post(
        "SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE",
        b"Content-Length: 32\r\nTransfer-Encoding: chunked ",
        HIDDEN,
    ),
    post(
        "SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA",
        b"Content-Length: 32\r\nTransfer-Encoding: , chunked",
        HIDDEN,
    ),
    post(
        "SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH",
        b"Content-Length: 32\r\nTransfer-Encoding: Chunked",
        HIDDEN,
    ),
    post(
        "SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET",
        b"Transfer-Encoding: chunked\r\n\
        Transfer-Encoding: identity\r\nContent-Length: 32",
        HIDDEN,
    ),
    post(
        "SMUG-TECL-SMUGGLED-GET",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"2e\r\nGET / HTTP/1.1\r\nHost: a\r\n\
        Content-Length: 7\r\n\r\n\r\n0\r\n\r\n",
    ),
    post(
        "SMUG-DUPLICATE-CL-SMUGGLED-GET",
        b"Content-Length: 4\r\nContent-Length: 31",
        b"PINGGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
];

/// Also the two framings in one request, and a value that is folded.
const TWO_FRAMINGS: &[Probe] = &[
    post("SMUG-CLTE-PIPELINE", b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    post("SMUG-TECL-PIPELINE", b"Transfer-Encoding: chunked\r\nContent-Length: 30", b"0\r\n\r\n"),
    post("SMUG-TE-OBS-FOLD", b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5", b"abcde"),
];

/// A lenient reading is allowed, and only warned of.
const LENIENT: &[Probe] = &[
    raw("RFC9112-2.2-BARE-LF-REQUEST-LINE", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    raw("RFC9112-2.2-BARE-LF-HEADER", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    line("RFC9112-3-MULTI-SP-REQUEST-LINE", b"GET  / HTTP/1.1"),
    line("RFC9112-3.2-FRAGMENT-IN-TARGET", b"GET /a#frag HTTP/1.1"),
    line("COMP-LEADING-CRLF", b"\r\n\r\nGET / HTTP/1.1"),
    line("COMP-REQUEST-LINE-TAB", b"GET\x09/ HTTP/1.1"),
    raw("COMP-HTTP10-NO-HOST", b"GET / HTTP/1.0\r\n\r\n").unscored(),
    post(
        "COMP-DUPLICATE-CT",
        b"Content-Length: 5\r\nContent-Type: text/plain\r\n\
        Content-Type: text/html",
        b"abcde",
    ),
    post(
        "SMUG-CL-TE-BOTH",
        b"Content-Length: 15\r\nTransfer-Encoding: chunked",
        b"5\r\nabcde\r\n0\r\n\r\n",
    ),
    post("SMUG-CL-LEADING-ZEROS", b"Content-Length: 005", b"abcde"),
    post("SMUG-CL-TRAILING-SPACE", b"Content-Length: 5 ", b"abcde"),
    post(
        "SMUG-TE-DOUBLE-CHUNKED",
        b"Transfer-Encoding: chunked, chunked\r\nContent-Length: 5",
        b"abcde",
    ),
    post("SMUG-CL-EXTRA-LEADING-SP", b"Content-Length:  5", b"abcde"),
    post("SMUG-TE-CASE-MISMATCH", b"Transfer-Encoding: Chunked\r\nContent-Length: 5", b"abcde"),
    post("SMUG-TE-LEADING-COMMA", b"Transfer-Encoding: , chunked\r\nContent-Length: 5", b"abcde"),
    coded("SMUG-CHUNK-EXT-LF", b"5;\nabcde\r\n0\r\n\r\n"),
    coded("SMUG-CHUNK-LF-TERM", b"5\r\nabcde\n0\r\n\r\n"),
    coded("SMUG-CHUNK-LF-TRAILER", b"5\r\nabcde\r\n0\r\n\n"),
    post("SMUG-TRANSFER_ENCODING", b"Transfer_Encoding: chunked\r\nContent-Length: 5", b"abcde")
        .unscored(),
    post("SMUG-CL-COMMA-SAME", b"Content-Length: 5, 5", b"abcde").unscored(),
    post("SMUG-CL-COMMA-TRIPLE", b"Content-Length: 5, 5, 5", b"abcde").unscored(),
    post(
        "SMUG-CHUNKED-WITH-PARAMS",
        b"Transfer-Encoding: chunked;a=b\r\nContent-Length: 5",
        b"abcde",
    )
    .unscored(),
    post("SMUG-EXPECT-100-CL", b"Content-Length: 5\r\nExpect: 100-continue", b"abcde").unscored(),
    coded("SMUG-TRAILER-CL", b"5\r\nabcde\r\n0\r\nContent-Length: 50\r\n\r\n").unscored(),
    coded("SMUG-TRAILER-TE", b"5\r\nabcde\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n").unscored(),
    coded("SMUG-TRAILER-HOST", b"5\r\nabcde\r\n0\r\nHost: b.example\r\n\r\n").unscored(),
    coded("SMUG-TRAILER-AUTH", b"5\r\nabcde\r\n0\r\nAuthorization: x\r\n\r\n").unscored(),
    raw(
        "SMUG-HEAD-CL-BODY",
        b"HEAD / HTTP/1.1\r\nHost: a\r\n\
        Content-Length: 5\r\n\r\nabcde",
    )
    .unscored(),
    raw(
        "SMUG-OPTIONS-CL-BODY",
        b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\
        Content-Length: 5\r\n\r\nabcde",
    )
    .unscored(),
    post("SMUG-CL-DOUBLE-ZERO", b"Content-Length: 00", b""),
    post("SMUG-CL-LEADING-ZEROS-OCTAL", b"Content-Length: 0200", b"@").filled(b"a", 200),
    post("SMUG-TE-TRAILING-COMMA", b"Transfer-Encoding: chunked,\r\nContent-Length: 5", b"abcde"),
    post(
        "SMUG-TE-TAB-BEFORE-VALUE",
        b"Transfer-Encoding:\x09chunked\r\nContent-Length: 5",
        b"abcde",
    )
    .unscored(),
    line("SMUG-ABSOLUTE-URI-HOST-MISMATCH", b"GET http://b.example/ HTTP/1.1").unscored(),
    coded("SMUG-TRAILER-CONTENT-TYPE", b"5\r\nabcde\r\n0\r\nContent-Type: text/html\r\n\r\n")
        .unscored(),
    post("MAL-CL-TAB-BEFORE-VALUE", b"Content-Length:\x095", b"abcde"),
];

/// As above, whatever else than 400 is answered.
const LENIENT_OTHERWISE: &[Probe] = &[
    raw("COMP-GET-WITH-CL-BODY", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde")
        .unscored(),
    line("MAL-URL-BACKSLASH", b"GET /a\\file HTTP/1.1"),
    line("MAL-URL-PERCENT-NULL", b"GET /a%00.html HTTP/1.1"),
    line("MAL-URL-PERCENT-CRLF", b"GET /a%0d%0aX:%20y HTTP/1.1"),
];

/// A transfer coding that nobody knows (RFC 9112 section 6.1).
const CODINGS: &[Probe] = &[
    post("COMP-UNKNOWN-TE-501", b"Transfer-Encoding: gzip", b""),
    post("SMUG-TE-XCHUNKED", b"Transfer-Encoding: xchunked\r\nContent-Length: 5", b"abcde"),
    post("SMUG-TE-IDENTITY", b"Transfer-Encoding: identity\r\nContent-Length: 5", b"abcde"),
    post("SMUG-TE-TRAILING-SPACE", b"Transfer-Encoding: chunked \r\nContent-Length: 5", b"abcde"),
];

/// A method that nobody knows, or that an origin server does not serve (RFC 9110 section 9.1).
const METHODS: &[Probe] = &[
    line("COMP-METHOD-CASE", b"get / HTTP/1.1"),
    raw(
        "COMP-TRACE-WITH-BODY",
        b"TRACE / HTTP/1.1\r\nHost: a\r\n\
        Content-Length: 5\r\n\r\nabcde",
    )
    .unscored(),
    line("COMP-UNKNOWN-METHOD", b"BREW / HTTP/1.1"),
    raw(
        "COMP-METHOD-CONNECT",
        b"CONNECT b.example:443 HTTP/1.1\r\n\
        Host: b.example:443\r\n\r\n",
    ),
];

/// TRACE repeats what a client sent (RFC 9110 section 9.3.8).
const TRACES: &[Probe] = &[
    line("COMP-METHOD-TRACE", b"TRACE / HTTP/1.1").unscored(),
    raw(
        "COMP-TRACE-SENSITIVE",
        b"TRACE / HTTP/1.1\r\nHost: a\r\n\
        Authorization: Bearer x\r\n\r\n",
    )
    .unscored(),
];

/// Another major version (RFC 9110 section 15.6.6).
const MAJOR_VERSIONS: &[Probe] = &[
    line("RFC9112-2.3-INVALID-VERSION", b"GET / HTTP/9.9"),
    raw("MAL-H2-PREFACE", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
];

/// Too long: RFC 9110 section 15.5.15, RFC 6585 section 5.
const LONG_TARGETS: &[Probe] = &[line("MAL-LONG-URL", b"GET /@ HTTP/1.1").filled(b"a", 100_000)];

const LARGE_HEADS: &[Probe] = &[
    get("MAL-LONG-HEADER-VALUE", b"X: @").filled(b"a", 100_000),
    get("MAL-MANY-HEADERS", b"@Y: z").filled(b"X: y\r\n", 10_000),
    get("MAL-LONG-HEADER-NAME", b"@: x").filled(b"a", 100_000),
];

const LARGE_EXTENSIONS: &[Probe] =
    &[coded("MAL-CHUNK-EXT-64K", b"5;a=@\r\nabcde\r\n0\r\n\r\n").filled(b"b", 65_536)];

/// An expectation that cannot be met (RFC 9110 section 10.1.1).
const EXPECTATIONS: &[Probe] = &[get("COMP-EXPECT-UNKNOWN", b"Expect: a-miracle")];

/// Bodies, answered with what they decode to (RFC 9112 section 7).
const BODIES: &[Probe] = &[
    post("COMP-POST-CL-BODY", b"Content-Length: 5", b"abcde").wants(Wants::Body(b"abcde")),
    post("COMP-POST-CL-ZERO", b"Content-Length: 0", b""),
    raw("COMP-POST-NO-CL-NO-TE", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
    coded("COMP-CHUNKED-BODY", b"5\r\nabcde\r\n0\r\n\r\n").wants(Wants::Body(b"abcde")),
    coded("COMP-CHUNKED-MULTI", b"5\r\nabcde\r\n6\r\n world\r\n0\r\n\r\n")
        .wants(Wants::Body(b"abcde world")),
    coded("COMP-CHUNKED-EMPTY", b"0\r\n\r\n"),
    coded("COMP-CHUNKED-TRAILER-VALID", b"5\r\nabcde\r\n0\r\nX: y\r\n\r\n")
        .wants(Wants::Body(b"abcde")),
    coded("COMP-CHUNKED-HEX-UPPERCASE", b"A\r\nabcdefghij\r\n0\r\n\r\n")
        .wants(Wants::Body(b"abcdefghij")),
    coded("COMP-CHUNKED-EXTENSION", b"5;a=b\r\nabcde\r\n0\r\n\r\n").wants(Wants::Body(b"abcde")),
    post("COMP-RANGE-POST", b"Content-Length: 5\r\nRange: bytes=0-10", b"abcde"),
    post(
        "COMP-POST-UNSUPPORTED-CT",
        b"Content-Length: 5\r\nContent-Type: application/unheard-of",
        b"abcde",
    )
    .unscored(),
    raw(
        "COMP-NO-1XX-HTTP10",
        b"POST / HTTP/1.0\r\nHost: a\r\n\
        Expect: 100-continue\r\nContent-Length: 5\r\n\r\nabcde",
    ),
];

/// What an answer carries (RFC 9110).
const ANSWERS: &[Probe] = &[
    get("COMP-BASELINE", b""),
    line("COMP-ABSOLUTE-FORM", b"GET http://a/ HTTP/1.1").unscored(),
    line("COMP-OPTIONS-STAR", b"OPTIONS * HTTP/1.1"),
    line("COMP-HEAD-NO-BODY", b"HEAD / HTTP/1.1").wants(Wants::Body(b"")),
    get("COMP-DATE-HEADER", b"").wants(Wants::Field("date")),
    get("COMP-DATE-FORMAT", b"").unscored().wants(Wants::Field("date")),
    line("COMP-OPTIONS-ALLOW", b"OPTIONS / HTTP/1.1").wants(Wants::Field("allow")),
    get("COMP-CONTENT-TYPE", b"").wants(Wants::Field("content-type")),
    get("COMP-RANGE-INVALID", b"Range: bytes=a-b").unscored(),
    get("COMP-CONNECTION-CLOSE", b"Connection: close").wants(Wants::Close),
    line("COMP-HTTP10-DEFAULT-CLOSE", b"GET / HTTP/1.0").wants(Wants::Close),
];

const EMPTY_ANSWERS: &[Probe] =
    &[line("COMP-NO-CL-IN-204", b"OPTIONS / HTTP/1.1").wants(Wants::NoField("content-length"))];

const WRONG_METHODS: &[Probe] =
    &[line("COMP-405-ALLOW", b"DELETE / HTTP/1.1").wants(Wants::Field("allow"))];

/// At least 8,000 octets of a request line are taken (RFC 9112 section 3).
const LONG_ENOUGH_TARGETS: &[Probe] =
    &[line("COMP-LONG-URL-OK", b"GET /@ HTTP/1.1").filled(b"a", 7_900)];

/// Nothing is upgraded here: anything but 101 (RFC 9110 section 7.8).
const UPGRADES: &[Probe] = &[
    post(
        "COMP-UPGRADE-POST",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13",
        b"",
    ),
    get(
        "COMP-UPGRADE-MISSING-CONN",
        b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13",
    ),
    get("COMP-UPGRADE-UNKNOWN", b"Connection: Upgrade\r\nUpgrade: unheard-of/1.0"),
    raw(
        "COMP-UPGRADE-HTTP10",
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ),
];

/// RFC 6455 section 4.4.
const UNKNOWN_UPGRADES: &[Probe] = &[get(
    "COMP-UPGRADE-INVALID-VER",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99",
)];

/// Whatever is answered is warned of.
const LEFT_OPEN: &[Probe] = &[
    line("COMP-HTTP12-VERSION", b"GET / HTTP/1.2").unscored(),
    get("MAL-RANGE-OVERLAPPING", b"Range: bytes=@0-").filled(b"0-,", 1_000).unscored(),
];

/// RFC 9110 section 12.5.1 leaves it to the server.
const NEGOTIATED: &[Probe] =
    &[get("COMP-ACCEPT-NONSENSE", b"Accept: application/unheard-of").unscored()];

/// A name is neither mended nor shown where it could be taken for another.
const NAMES: &[Probe] = &[
    echo_post("NORM-UNDERSCORE-CL", b"Content_Length: 99").wants(Wants::Without(b"99")),
    echo_post("NORM-SP-BEFORE-COLON-CL", b"Content-Length : 5"),
    echo_post("NORM-TAB-IN-NAME", b"Content\x09Length: 99"),
    echo_post("NORM-CASE-TE", b"TRANSFER-ENCODING: chunked").unscored(),
    echo_post("NORM-UNDERSCORE-TE", b"Transfer_Encoding: chunked")
        .wants(Wants::Without(b"chunked")),
];

/// Cookies (RFC 6265 section 5.4).
const COOKIES: &[Probe] = &[
    echo("COOK-EMPTY", b"Cookie: ").unscored(),
    echo("COOK-NUL", b"Cookie: a=\x00b").unscored(),
    echo("COOK-CONTROL-CHARS", b"Cookie: a=\x01\x02\x03").unscored(),
    echo("COOK-MALFORMED", b"Cookie: ===;;;").unscored(),
    echo("COOK-OVERSIZED", b"Cookie: a=@").filled(b"b", 65_536).unscored(),
    echo("COOK-MANY-PAIRS", b"Cookie: @c=d").filled(b"a=b; ", 1_000).unscored(),
];

const COOKIES_SHOWN: &[Probe] = &[
    echo("COOK-ECHO", b"Cookie: a=b").unscored().wants(Wants::Body(b"Host: a\nCookie: a=b\n")),
    echo("COOK-MULTI-HEADER", b"Cookie: a=1\r\nCookie: b=2")
        .unscored()
        .wants(Wants::Body(b"Host: a\nCookie: a=1\nCookie: b=2\n")),
    cookie("COOK-PARSED-BASIC", b"Cookie: a=b").unscored().wants(Wants::Body(b"a=b\n")),
    cookie("COOK-PARSED-MULTI", b"Cookie: a=1; b=2; c=3")
        .unscored()
        .wants(Wants::Body(b"a=1\nb=2\nc=3\n")),
    cookie("COOK-PARSED-EMPTY-VAL", b"Cookie: a=").unscored().wants(Wants::Body(b"a=\n")),
    cookie("COOK-PARSED-SPECIAL", b"Cookie: a=abcde fghij; b=x=y")
        .unscored()
        .wants(Wants::Body(b"a=abcde fghij\nb=x=y\n")),
];

/// Probes that end in the middle of a request and take 400, a close or silence.
pub(crate) const WAITING: [Probe; 7] = [
    raw("RFC9112-2.3-HTTP09-REQUEST", b"GET /\r\n"),
    post("COMP-POST-CL-UNDERSEND", b"Content-Length: 10", b"abcde"),
    coded("COMP-CHUNKED-NO-FINAL", b"5\r\nabcde\r\n"),
    raw("MAL-BINARY-GARBAGE", b">\x17\xba\x96\xae\x04\xcd;\x99\x86\x9eV\xf0\xad\xbf:o\xb7\x00\xff"),
    raw("MAL-INCOMPLETE-REQUEST", b"GET / HTTP/1.1\r\nHost: a\r\nX: y"),
    raw("MAL-WHITESPACE-ONLY-LINE", b"   \r\n\r\n"),
    post("MAL-POST-CL-HUGE-NO-BODY", b"Content-Length: 999999999", b""),
];

/// Probes that are answered at once.
pub(crate) const GROUPS: [Group; 25] = [
    Group { passes: &[400], warns: &[], probes: BROKEN },
    Group { passes: &[400], warns: &[], probes: TWO_READINGS },
    Group { passes: &[400], warns: &[], probes: TWO_FRAMINGS },
    Group { passes: &[400], warns: SERVED, probes: LENIENT },
    Group { passes: &[400], warns: &[200, 404], probes: LENIENT_OTHERWISE },
    Group { passes: &[400, 501], warns: &[], probes: CODINGS },
    Group { passes: &[400, 405, 501], warns: SERVED, probes: METHODS },
    Group { passes: &[405, 501], warns: SERVED, probes: TRACES },
    Group { passes: &[400, 505], warns: &[], probes: MAJOR_VERSIONS },
    Group { passes: &[400, 414, 431], warns: &[], probes: LONG_TARGETS },
    Group { passes: &[400, 431], warns: &[], probes: LARGE_HEADS },
    Group { passes: &[400, 431], warns: SERVED, probes: LARGE_EXTENSIONS },
    Group { passes: &[417], warns: SERVED, probes: EXPECTATIONS },
    Group { passes: SERVED, warns: &[], probes: BODIES },
    Group { passes: SERVED, warns: &[], probes: ANSWERS },
    Group { passes: &[204], warns: &[200], probes: EMPTY_ANSWERS },
    Group { passes: &[405], warns: &[200, 404, 501], probes: WRONG_METHODS },
    Group { passes: &[200, 404], warns: &[], probes: LONG_ENOUGH_TARGETS },
    Group { passes: &[200, 426], warns: &[], probes: UPGRADES },
    Group { passes: &[400, 426], warns: SERVED, probes: UNKNOWN_UPGRADES },
    Group { passes: &[], warns: &[200, 206, 400, 416, 431, 505], probes: LEFT_OPEN },
    Group { passes: &[406], warns: SERVED, probes: NEGOTIATED },
    Group { passes: &[200, 400], warns: &[], probes: NAMES },
    Group { passes: &[200, 400, 431], warns: &[], probes: COOKIES },
    Group { passes: SERVED, warns: &[400, 404], probes: COOKIES_SHOWN },
];
