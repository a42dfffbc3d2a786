//! Why a request is refused: one name for each broken rule, one table to the statuses.
//! Knows nothing of how the refusal is answered.

use super::status::Status;

/// A rule of RFC 9112, RFC 9110 or of our limits that a request broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// A chunk's data is not followed by CRLF.
    ChunkDataEnd,
    /// A chunk extension breaks RFC 9112 section 7.1.1, or there are too many of them.
    ChunkExtension,
    /// A chunk size is not 1 to 16 hexadecimal digits, or its line does not end in CRLF.
    ChunkSize,
    /// `Content-Length` is not digits only, repeated, or too large for 64 bits.
    ContentLength,
    /// `Content-Length` and `Transfer-Encoding` in one request.
    ContentLengthAndTransferEncoding,
    /// The peer ended its side in the middle of a request.
    EndInsideRequest,
    /// `Expect` asks for something other than `100-continue`.
    Expectation,
    /// A field line without a colon.
    FieldColon,
    /// A field line that is folded or begins with a blank (obs-fold).
    FieldFold,
    /// A field name is empty or no token, or a blank stands before the colon.
    FieldName,
    /// A field value contains a forbidden byte.
    FieldValue,
    /// More fields than allowed.
    FieldsTooMany,
    /// The head is larger than allowed.
    HeadTooLarge,
    /// The head did not arrive in time.
    HeadTooSlow,
    /// `Host` is not a valid `host[:port]`.
    HostInvalid,
    /// An HTTP/1.1 request without `Host`.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// A line that does not end in CRLF: a bare CR or a bare LF.
    LineEnd,
    /// Incomplete requests and unsent answers hold as much memory as they may.
    MemoryExhausted,
    /// The method is no token or too long.
    Method,
    /// A method that nobody here knows.
    MethodUnknown,
    /// The request line is not `method SP target SP version`.
    RequestLine,
    /// The target breaks RFC 9112 section 3.2 or RFC 3986.
    Target,
    /// The target is longer than allowed.
    TargetTooLong,
    /// A field of a trailer section breaks the rules of fields.
    Trailer,
    /// The trailer section is larger than allowed.
    TrailerTooLarge,
    /// `Transfer-Encoding` is anything but one `chunked`, or stands in an HTTP/1.0 request.
    TransferEncoding,
    /// `Transfer-Encoding` names one coding that nobody here knows.
    TransferEncodingUnknown,
    /// The version is not of the form `HTTP/digit.digit`.
    Version,
    /// A major version that nobody here speaks.
    VersionUnsupported,
}

impl Refusal {
    /// Every refusal, in the order of its discriminant.
    pub const ALL: [Refusal; 32] = [
        Refusal::BodyTooLarge,
        Refusal::BodyTooSlow,
        Refusal::ChunkDataEnd,
        Refusal::ChunkExtension,
        Refusal::ChunkSize,
        Refusal::ContentLength,
        Refusal::ContentLengthAndTransferEncoding,
        Refusal::EndInsideRequest,
        Refusal::Expectation,
        Refusal::FieldColon,
        Refusal::FieldFold,
        Refusal::FieldName,
        Refusal::FieldValue,
        Refusal::FieldsTooMany,
        Refusal::HeadTooLarge,
        Refusal::HeadTooSlow,
        Refusal::HostInvalid,
        Refusal::HostMissing,
        Refusal::HostRepeated,
        Refusal::LineEnd,
        Refusal::MemoryExhausted,
        Refusal::Method,
        Refusal::MethodUnknown,
        Refusal::RequestLine,
        Refusal::Target,
        Refusal::TargetTooLong,
        Refusal::Trailer,
        Refusal::TrailerTooLarge,
        Refusal::TransferEncoding,
        Refusal::TransferEncodingUnknown,
        Refusal::Version,
        Refusal::VersionUnsupported,
    ];

    /// The status that answers it.
    pub const fn status(self) -> Status {
        match self {
            Refusal::BodyTooLarge => Status::CONTENT_TOO_LARGE,
            Refusal::BodyTooSlow | Refusal::HeadTooSlow => Status::REQUEST_TIMEOUT,
            Refusal::Expectation => Status::EXPECTATION_FAILED,
            Refusal::FieldsTooMany | Refusal::HeadTooLarge | Refusal::TrailerTooLarge => {
                Status::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Refusal::MethodUnknown | Refusal::TransferEncodingUnknown => Status::NOT_IMPLEMENTED,
            Refusal::MemoryExhausted => Status::SERVICE_UNAVAILABLE,
            Refusal::TargetTooLong => Status::URI_TOO_LONG,
            Refusal::VersionUnsupported => Status::HTTP_VERSION_NOT_SUPPORTED,
            Refusal::ChunkDataEnd
            | Refusal::ChunkExtension
            | Refusal::ChunkSize
            | Refusal::ContentLength
            | Refusal::ContentLengthAndTransferEncoding
            | Refusal::EndInsideRequest
            | Refusal::FieldColon
            | Refusal::FieldFold
            | Refusal::FieldName
            | Refusal::FieldValue
            | Refusal::HostInvalid
            | Refusal::HostMissing
            | Refusal::HostRepeated
            | Refusal::LineEnd
            | Refusal::Method
            | Refusal::RequestLine
            | Refusal::Target
            | Refusal::Trailer
            | Refusal::TransferEncoding
            | Refusal::Version => Status::BAD_REQUEST,
        }
    }

    /// Its name in statistics: snake case, never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::BodyTooLarge => "body_too_large",
            Refusal::BodyTooSlow => "body_too_slow",
            Refusal::ChunkDataEnd => "chunk_data_end",
            Refusal::ChunkExtension => "chunk_extension",
            Refusal::ChunkSize => "chunk_size",
            Refusal::ContentLength => "content_length",
            Refusal::ContentLengthAndTransferEncoding => "content_length_and_transfer_encoding",
            Refusal::EndInsideRequest => "end_inside_request",
            Refusal::Expectation => "expectation",
            Refusal::FieldColon => "field_colon",
            Refusal::FieldFold => "field_fold",
            Refusal::FieldName => "field_name",
            Refusal::FieldValue => "field_value",
            Refusal::FieldsTooMany => "fields_too_many",
            Refusal::HeadTooLarge => "head_too_large",
            Refusal::HeadTooSlow => "head_too_slow",
            Refusal::HostInvalid => "host_invalid",
            Refusal::HostMissing => "host_missing",
            Refusal::HostRepeated => "host_repeated",
            Refusal::LineEnd => "line_end",
            Refusal::MemoryExhausted => "memory_exhausted",
            Refusal::Method => "method",
            Refusal::MethodUnknown => "method_unknown",
            Refusal::RequestLine => "request_line",
            Refusal::Target => "target",
            Refusal::TargetTooLong => "target_too_long",
            Refusal::Trailer => "trailer",
            Refusal::TrailerTooLarge => "trailer_too_large",
            Refusal::TransferEncoding => "transfer_encoding",
            Refusal::TransferEncodingUnknown => "transfer_encoding_unknown",
            Refusal::Version => "version",
            Refusal::VersionUnsupported => "version_unsupported",
        }
    }

    /// One sentence for the client: which rule, not which byte.
    pub const fn message(self) -> &'static str {
        match self {
            Refusal::BodyTooLarge => "the body is larger than this server allows",
            Refusal::BodyTooSlow => "the body did not arrive in time",
            Refusal::ChunkDataEnd => "a chunk's data is not followed by CRLF",
            Refusal::ChunkExtension => "a chunk extension is malformed or too long",
            Refusal::ChunkSize => "a chunk size is malformed",
            Refusal::ContentLength => "Content-Length is malformed or repeated",
            Refusal::ContentLengthAndTransferEncoding => {
                "Content-Length and Transfer-Encoding exclude each other"
            }
            Refusal::EndInsideRequest => "the connection ended inside the request",
            Refusal::Expectation => "only Expect: 100-continue can be met",
            Refusal::FieldColon => "a field line has no colon",
            Refusal::FieldFold => "a field line is folded or begins with a blank",
            Refusal::FieldName => "a field name is not a token directly before its colon",
            Refusal::FieldValue => "a field value contains a forbidden byte",
            Refusal::FieldsTooMany => "the head has more fields than this server allows",
            Refusal::HeadTooLarge => "the head is larger than this server allows",
            Refusal::HeadTooSlow => "the head did not arrive in time",
            Refusal::HostInvalid => "Host is not host[:port]",
            Refusal::HostMissing => "HTTP/1.1 asks for a Host field",
            Refusal::HostRepeated => "Host stands more than once",
            Refusal::LineEnd => "a line does not end in CRLF",
            Refusal::MemoryExhausted => "this server is out of memory for requests",
            Refusal::Method => "the method is not a token or is too long",
            Refusal::MethodUnknown => "this server does not know the method",
            Refusal::RequestLine => "the request line is not: method SP target SP version",
            Refusal::Target => "the target is malformed",
            Refusal::TargetTooLong => "the target is longer than this server allows",
            Refusal::Trailer => "a trailer field is malformed",
            Refusal::TrailerTooLarge => "the trailer section is larger than this server allows",
            Refusal::TransferEncoding => "Transfer-Encoding must be one chunked, in HTTP/1.1 only",
            Refusal::TransferEncodingUnknown => "this server does not know the transfer coding",
            Refusal::Version => "the version is malformed",
            Refusal::VersionUnsupported => "this server speaks HTTP/1.1 and HTTP/1.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_refusal_at_its_discriminant() {
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index, "{refusal:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names = Refusal::ALL.map(Refusal::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
