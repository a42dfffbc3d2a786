//! A request's head as offsets into the block it was received in.
//! Offsets, not slices: a connection may wait for its body while the block stays with it.

use arrayvec::ArrayVec;

use crate::limits::FIELDS_MAX;

/// Bytes `start..end` of the block that the head was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u16,
    /// Offset behind the last byte.
    pub end: u16,
}

impl Span {
    /// The bytes it names in `block`.
    ///
    /// # Panics
    /// If `block` is shorter than the one the span was made for.
    #[inline]
    pub fn of(self, block: &[u8]) -> &[u8] {
        &block[usize::from(self.start)..usize::from(self.end)]
    }

    /// How many bytes it names.
    #[inline]
    pub fn len(self) -> usize {
        usize::from(self.end - self.start)
    }

    /// Whether it names none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One field line: its name as sent, its value without surrounding SP and HTAB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The name, a token.
    pub name: Span,
    /// The value.
    pub value: Span,
}

/// The methods we know (RFC 9110 section 9.3, RFC 5789, and the QUERY method).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `CONNECT`
    Connect,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `PATCH`
    Patch,
    /// `QUERY`
    Query,
    /// A token that is none of these; names are case-sensitive.
    Unknown,
}

impl Method {
    /// The known methods, in the order of their discriminants.
    pub const KNOWN: [Method; 10] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Connect,
        Method::Options,
        Method::Trace,
        Method::Patch,
        Method::Query,
    ];

    /// The method of this exact name.
    pub fn from_name(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            b"QUERY" => Method::Query,
            _ => Method::Unknown,
        }
    }

    /// Its name; empty for [`Method::Unknown`].
    pub const fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Query => "QUERY",
            Method::Unknown => "",
        }
    }
}

/// The versions we speak. Minor versions above 1 are served as 1.1 (RFC 9110 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `HTTP/1.0`
    Http10,
    /// `HTTP/1.1`
    Http11,
}

/// A parsed head: method, target, version, fields.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The version.
    pub version: Version,
    /// The method as sent.
    pub method_name: Span,
    /// The target as sent.
    pub target: Span,
    /// The fields in the order sent.
    pub fields: ArrayVec<Field, FIELDS_MAX>,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            method: Method::Unknown,
            version: Version::Http11,
            method_name: Span::default(),
            target: Span::default(),
            fields: ArrayVec::new_const(),
        }
    }
}

impl Head {
    /// The value of the first field of this name, compared without case.
    pub fn field<'b>(&self, block: &'b [u8], name: &str) -> Option<&'b [u8]> {
        self.fields
            .iter()
            .find(|field| {
                field.name.len() == name.len()
                    && field.name.of(block).eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|field| field.value.of(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_is_found_by_its_exact_name_only() {
        for (index, method) in Method::KNOWN.into_iter().enumerate() {
            assert_eq!(method as usize, index);
            assert_eq!(Method::from_name(method.name().as_bytes()), method);
        }
        assert_eq!(Method::from_name(b"get"), Method::Unknown);
        assert_eq!(Method::from_name(b""), Method::Unknown);
    }
}
