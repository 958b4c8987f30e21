//! Requests to Vault: over connections that are kept, with a token that is obtained again when it
//! is refused.

use crate::config::{VaultConfig, VaultLogin};
use crate::files::read_secret;
use crate::http_client::{Answer, Connection, Connector};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use s3api::sse::keys::KeyError;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one request may take, from its connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that are kept for the next request.
const IDLE_COUNT_MAX: usize = 16;

/// How often a given token is renewed, while it may be.
const RENEW_PAUSE: Duration = Duration::from_secs(600);

/// What to do where a certificate will not do.
const CERTIFICATE_HINT: &str = "STAVE_KMS_VAULT_CA names a file of those to trust";

/// Where a role logs in.
const ROLE_LOGIN_PATH: &str = "/v1/auth/approle/login";

/// Where a token is renewed.
const RENEW_PATH: &str = "/v1/auth/token/renew-self";

/// An answer as JSON, with its status.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Reply {
    /// What Vault says that is wrong, in one line.
    pub(super) fn reason(&self) -> String {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
        let text: String = texts.join("; ").chars().take(200).collect();
        let text = text.replace(char::is_control, " ");
        format!("Vault answers {}: {text}", self.status.as_u16())
    }
}

/// How Vault is asked.
pub(super) struct Session {
    connector: Connector,
    namespace: Option<String>,
    login: VaultLogin,
    idle: Mutex<Vec<Connection>>,
    token: Mutex<Option<HeaderValue>>,
    /// Held while one logs in for all.
    turn: tokio::sync::Mutex<()>,
}

impl Session {
    pub(super) fn new(config: VaultConfig) -> Result<Self, String> {
        let connector = Connector::new(config.server, &config.trust, CERTIFICATE_HINT)?;
        Ok(Self {
            connector,
            namespace: config.namespace,
            login: config.login,
            idle: Mutex::default(),
            token: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Asks, with a token; with a new one where it is refused. Every request is one that may be
    /// carried out twice.
    pub(super) async fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, KeyError> {
        let token = match self.known_token() {
            Some(token) => token,
            None => self.log_in(None).await?,
        };
        let reply = self.ask_once((method, path), body, Some(&token)).await?;
        if reply.status != StatusCode::FORBIDDEN || matches!(self.login, VaultLogin::Token(_)) {
            return Ok(reply);
        }
        let token = self.log_in(Some(&token)).await?;
        self.ask_once((method, path), body, Some(&token)).await
    }

    fn known_token(&self) -> Option<HeaderValue> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Obtains a token in place of one that was refused, unless somebody did meanwhile.
    async fn log_in(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, KeyError> {
        let _turn = self.turn.lock().await;
        if let Some(token) = self.known_token().filter(|token| Some(token) != refused) {
            return Ok(token);
        }
        let text = match &self.login {
            VaultLogin::Token(token) => token.clone(),
            VaultLogin::TokenFile(path) => {
                let read = read_secret(path);
                let shown = path.display();
                read.map_err(|error| unavailable(&format!("cannot read {shown}: {error}")))?
            }
            VaultLogin::Role { id, secret } => self.log_in_by_role(id, secret).await?,
        };
        let token = HeaderValue::from_str(text.trim());
        let mut token = token.map_err(|_| unavailable("the token cannot be sent"))?;
        token.set_sensitive(true);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    async fn log_in_by_role(&self, id: &str, secret: &str) -> Result<String, KeyError> {
        let body = json!({ "role_id": id, "secret_id": secret });
        let reply = self.ask_once((&Method::POST, ROLE_LOGIN_PATH), Some(&body), None).await?;
        match reply.body["auth"]["client_token"].as_str() {
            Some(token) if reply.status.is_success() => Ok(token.to_owned()),
            _ => Err(unavailable(&format!("the role may not log in: {}", reply.reason()))),
        }
    }

    async fn ask_once(
        &self,
        (method, path): (&Method, &str),
        body: Option<&Value>,
        token: Option<&HeaderValue>,
    ) -> Result<Reply, KeyError> {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = || {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, self.connector.server.authority.as_str())
                .header("x-vault-request", "true");
            if let Some(token) = token {
                request = request.header("x-vault-token", token);
            }
            if let Some(namespace) = &self.namespace {
                request = request.header("x-vault-namespace", namespace);
            }
            if !body.is_empty() {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            let request = request.body(Full::new(body.clone()));
            request.map_err(|error| unavailable(&error.to_string()))
        };
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(request));
        let answer = answer.await.map_err(|_| {
            unavailable(&format!("no answer from {} in time", self.connector.server))
        })??;
        let body = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        Ok(Reply { status: answer.status, body })
    }

    /// Over a connection that was kept, else over a new one: the other end may have closed those.
    async fn exchange(
        &self,
        request: impl Fn() -> Result<Request<Full<Bytes>>, KeyError>,
    ) -> Result<Answer, KeyError> {
        while let Some(mut connection) = self.take_idle() {
            if let Ok(answer) = connection.exchange(request()?).await {
                self.keep(connection);
                return Ok(answer);
            }
        }
        let server = &self.connector.server;
        let failed = |reason: String| unavailable(&format!("cannot ask {server}: {reason}"));
        let mut connection = self.connector.open().await.map_err(failed)?;
        let answer = connection.exchange(request()?).await.map_err(failed)?;
        self.keep(connection);
        Ok(answer)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(Connection::is_open);
        idle.pop()
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_COUNT_MAX {
            idle.push(connection);
        }
    }

    /// Renews a given token for ever. Others are obtained again when they are refused.
    pub(super) async fn run(&self) {
        if !matches!(self.login, VaultLogin::Token(_)) {
            return;
        }
        loop {
            tokio::time::sleep(RENEW_PAUSE).await;
            match self.ask(&Method::POST, RENEW_PATH, Some(&json!({}))).await {
                Ok(reply) if reply.status.is_success() => {}
                // One that never ends cannot be renewed.
                Ok(reply) if reply.status == StatusCode::BAD_REQUEST => return,
                Ok(reply) => tracing::warn!(reason = reply.reason(), "token not renewed"),
                Err(error) => tracing::warn!(%error, "token not renewed"),
            }
        }
    }
}

pub(super) fn unavailable(reason: &str) -> KeyError {
    KeyError::Unavailable(reason.to_owned())
}
