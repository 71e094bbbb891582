//! Door: stands before all routes and plays a server that is gone: a request's connection ends without an answer.

use std::pin::Pin;
use std::sync::Arc;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::Hooks;

/// The server plays dead.
#[derive(Debug, thiserror::Error)]
#[error("down for a test")]
pub(crate) struct Down;

#[derive(Clone)]
pub(crate) struct Door {
    hooks: Arc<Hooks>,
    routes: TowerToHyperService<axum::Router>,
}

impl Door {
    pub(crate) fn new(hooks: Arc<Hooks>, routes: TowerToHyperService<axum::Router>) -> Self {
        Self { hooks, routes }
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = Response;
    type Error = Down;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Down>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let is_api = request.uri().path().starts_with("/api/v1/");
        let (hooks, answer) = (self.hooks.clone(), self.routes.call(request));
        Box::pin(async move {
            tokio::select! {
                biased;
                () = hooks.until_down(), if is_api => Err(Down),
                answer = answer => answer.map_err(|never| match never {}),
            }
        })
    }
}
