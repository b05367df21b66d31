//! Who is let in: by the name that the server is spoken to, by where a page comes from, and by token.
//!
//! A page of another site can make a browser send requests here, and by DNS rebinding even under a name of its own. So the name must be one of
//! ours, and what a browser says of a request's origin must be this very server.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;
use crate::{Error, Result};

/// Bytes of a token at least: fewer could be guessed.
const TOKEN_BYTES: usize = 16;

/// What every answer carries: a page that may load nothing but what is here, and is shown in no other.
pub const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What a client must show, kept as its digest: two of these have the same length, and are compared in constant time.
#[derive(Debug, Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// Takes a token that is long enough.
    pub fn new(token: &str) -> Result<Self> {
        let is_visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < TOKEN_BYTES || !is_visible {
            let found = if is_visible {
                format!("one of {} characters", token.len())
            } else {
                "spaces or characters beyond ASCII".into()
            };
            return Err(Error::input("the token", found, format!("at least {TOKEN_BYTES} visible ASCII characters"))
                .with_hint("draw one, for example with: openssl rand -hex 16"));
        }
        Ok(Self(Sha256::digest(token).into()))
    }

    fn is(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        bool::from(self.0.ct_eq(&shown))
    }
}

/// Who is let in.
#[derive(Debug)]
pub struct Guard {
    address: SocketAddr,
    hosts: Vec<Authority>,
    token: Option<Token>,
}

impl Guard {
    /// Lets in who speaks to `address`, to `localhost` at its port, or to one of `hosts`, and shows the token if there is one.
    pub fn new(address: SocketAddr, hosts: &[String], token: Option<Token>) -> Result<Self> {
        let authority = |host: &String| {
            let authority = host.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
            authority.ok_or_else(|| Error::input("a host", host, "a name such as sounds.example, or one with a port"))
        };
        let hosts = hosts.iter().map(authority).collect::<Result<_>>()?;
        Ok(Self { address, hosts, token })
    }

    /// Refuses a request before anything of it is looked at but its head.
    pub fn check(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        let host = self.host(request)?;
        self.check_origin(headers, &host)?;
        if !is_visit(request) {
            check_site(headers)?;
        }
        if is_public(request.uri().path()) { Ok(()) } else { self.check_token(headers) }
    }

    /// The name that the server is spoken to.
    fn host(&self, request: &Request) -> Result<Authority, Refusal> {
        let refusal = || {
            Refusal::new(StatusCode::MISDIRECTED_REQUEST, "the server was not spoken to by a name of its own")
                .hint("speak to the address that it printed, or allow the name when it is started")
        };
        let mut all = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (all.next(), all.next()) else { return Err(refusal()) };
        let host: Authority = host.to_str().ok().and_then(|host| host.parse().ok()).ok_or_else(refusal)?;
        let named_twice = request.uri().authority().is_some_and(|other| *other != host);
        if named_twice || !self.is_ours(&host) { Err(refusal()) } else { Ok(host) }
    }

    fn is_ours(&self, host: &Authority) -> bool {
        if host.as_str().contains('@') {
            return false;
        }
        let allowed = |name: &Authority| {
            name.host().eq_ignore_ascii_case(host.host())
                && (name.port().is_none() || name.port_u16() == host.port_u16())
        };
        if self.hosts.iter().any(allowed) {
            return true;
        }
        if host.port_u16().unwrap_or(80) != self.address.port() {
            return false;
        }
        let bound = self.address.ip();
        let is_local = bound.is_loopback() || bound.is_unspecified();
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        match name.parse::<IpAddr>() {
            // By an address nobody is rebound: names are what can be made to point here.
            Ok(ip) => ip == bound || bound.is_unspecified(),
            Err(_) => is_local && name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Refuses what a page of another origin asks for.
    fn check_origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Refusal> {
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().map_err(|_| foreign())?;
            let is_same =
                |scheme: &str| origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()));
            if !is_same("http://") && !is_same("https://") {
                return Err(foreign());
            }
        }
        Ok(())
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let shown = headers.get(header::AUTHORIZATION).and_then(|shown| shown.to_str().ok());
        let shown =
            shown.and_then(|shown| shown.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        match shown {
            Some((_, shown)) if token.is(shown.trim()) => Ok(()),
            _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "no token, or another one").hint(
                "send the header `Authorization: Bearer TOKEN`; the page takes it from behind a # in its address",
            )),
        }
    }
}

fn foreign() -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "pages of other origins are not answered")
}

/// Refuses what a browser says that a page of another site asks for.
fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all("sec-fetch-site").iter().all(is_own) { Ok(()) } else { Err(foreign()) }
}

/// Whether somebody follows a link to what holds nothing of the store: other sites may have such links.
fn is_visit(request: &Request) -> bool {
    let mode = request.headers().get("sec-fetch-mode");
    is_public(request.uri().path()) && request.method() == Method::GET && mode.is_some_and(|mode| mode == "navigate")
}

/// What holds nothing of the store: the page before it has a token, what the interface is, and that the server is alive.
fn is_public(path: &str) -> bool {
    !path.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard_at(address: &str, hosts: &[&str]) -> Guard {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard::new(address.parse().unwrap(), &hosts, None).unwrap()
    }

    fn lets_in(guard: &Guard, host: &str) -> bool {
        guard.check(&Request::builder().header("host", host).body(axum::body::Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn only_names_of_its_own_are_answered() {
        let local = guard_at("127.0.0.1:7373", &[]);
        for host in ["127.0.0.1:7373", "localhost:7373", "LocalHost:7373"] {
            assert!(lets_in(&local, host), "{host}");
        }
        for host in [
            "evil.example:7373",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.evil.example:7373",
            "a@127.0.0.1:7373",
            "10.0.0.1:7373",
            "",
        ] {
            assert!(!lets_in(&local, host), "{host}");
        }
        let open = guard_at("0.0.0.0:7373", &["sounds.example"]);
        for host in ["10.0.0.7:7373", "[::1]:7373", "sounds.example", "sounds.example:443", "localhost:7373"] {
            assert!(lets_in(&open, host), "{host}");
        }
        for host in ["10.0.0.7:80", "other.example:7373"] {
            assert!(!lets_in(&open, host), "{host}");
        }
    }

    #[test]
    fn a_token_is_compared_whole() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.is("0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"] {
            assert!(!token.is(other), "{other}");
        }
        for unfit in ["short", "sixteen and more characters with spaces", "ünfähige-zeichen-hier"] {
            assert!(Token::new(unfit).is_err(), "{unfit}");
        }
    }
}
