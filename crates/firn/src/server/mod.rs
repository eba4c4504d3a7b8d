//! The web catalog and the gateway over HTTP: a thin face over [`firn_engine::gateway`].

mod answer;
mod connection;
mod handle;
mod links;
mod route;

pub use links::Links;

use crate::error::FirnError;
use axum::Router;
use firn_engine::cancel::Cancel;
use firn_engine::gateway::Gateway;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// A server that holds its address and serves nothing yet.
pub struct Bound {
    listener: TcpListener,
    /// The address, with the port that it got.
    pub address: SocketAddr,
}

impl Bound {
    /// Takes an address.
    ///
    /// # Errors
    /// [`FirnError::Listen`].
    pub async fn to(address: &str) -> Result<Self, FirnError> {
        let failed = |cause| FirnError::Listen { address: address.to_owned(), cause };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Serves until the end is asked for.
    pub async fn serve(self, gateway: Gateway, links: Links, cancel: Cancel) {
        let server = Arc::new(handle::Server { gateway: Arc::new(gateway), links });
        let router = Router::new().fallback(handle::handle).with_state(server);
        connection::serve(self.listener, router, &cancel).await;
    }
}
