//! The routes, and what stands before them: the faults that were switched on.

use super::{Instead, State, locked, rpc};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The largest body taken: Odoo 16 has no limit of its own, and nothing here needs more.
const MAX_BODY: usize = 8 * 1024 * 1024;

const NOT_FOUND: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<title>404 Not Found</title>\n\
    <h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check \
    your spelling and try again.</p>\n";
const NOT_JSON: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<title>400 Bad Request</title>\n\
    <h1>Bad Request</h1>\n<p>Request inferred type is compatible with [&#x27;http&#x27;] but &#x27;/jsonrpc&#x27; is \
    type=&#x27;json&#x27;.</p>\n";
const LOGIN: &str = "<!DOCTYPE html>\n<html><head><title>Odoo</title></head><body><form class=\"oe_login_form\" \
    action=\"/web/login\" method=\"post\"></form></body></html>\n";
const MANAGER: &str = "<html>\n<head><title>Odoo</title></head>\n<body><a data-bs-target=\".o_database_create\">Create \
    Database</a></body></html>\n";
const MANAGER_OFF: &str = "<html>\n<head><title>Odoo</title></head>\n<body><div class=\"alert alert-danger\">The database \
    manager has been disabled by the administrator</div></body></html>\n";

pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut stopping = state.stopping.clone();
    let mut router = Router::new()
        .route("/", get(|| redirect("/web")))
        .route("/web", get(|| redirect("/web/login")))
        .route("/web/login", get(|| html(StatusCode::OK, LOGIN)))
        .route("/web/health", get(health))
        .route("/web/database/manager", get(manager))
        .route("/web/database/selector", get(manager))
        .route("/web/webclient/version_info", post(version_info));
    if state.options.jsonrpc {
        router = router.route(
            "/jsonrpc",
            post(jsonrpc).get(|| html(StatusCode::BAD_REQUEST, NOT_JSON)),
        );
    }
    if state.options.web_version {
        router = router
            .route("/web/version", get(version))
            .route("/json/version", get(version));
    }
    let router = router
        .fallback(|| html(StatusCode::NOT_FOUND, NOT_FOUND))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), faults))
        .with_state(state);
    let stopped = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::warn!(%error, "an Odoo stand-in ended");
    }
}

/// What was switched on to go wrong, before the route is asked.
async fn faults(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    if request.uri().path() != "/jsonrpc" {
        locked(&state.calls).push(format!("{} {}", request.method(), request.uri().path()));
    }
    let faults = state.faults();
    let mut stopping = state.stopping.clone();
    if faults.hang {
        let _ = stopping.wait_for(|stop| *stop).await;
    }
    if !faults.delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(faults.delay) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }
    match faults.instead {
        Some(Instead::Html { status, body }) => {
            html(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body).await
        }
        Some(Instead::Redirect(to)) => {
            let mut headers = HeaderMap::new();
            if let Ok(to) = HeaderValue::from_str(&to) {
                headers.insert(header::LOCATION, to);
            }
            (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
        }
        // A stand-in that is asked to stop answers no more, even what it had under way.
        None => tokio::select! {
            answer = next.run(request) => answer,
            _ = stopping.wait_for(|stop| *stop) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
    }
}

async fn jsonrpc(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind != "application/json" && kind != "application/json-rpc" {
        return html(StatusCode::BAD_REQUEST, NOT_JSON).await;
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return html(StatusCode::BAD_REQUEST, "Invalid JSON data").await;
    };
    let Value::Object(request) = request else {
        return html(StatusCode::BAD_REQUEST, "Invalid JSON-RPC data").await;
    };
    let answer = rpc::answer(&state, &request).await;
    reply(request.get("id"), answer)
}

async fn version_info(body: Bytes) -> Response {
    let request = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    reply(request.get("id"), Ok(Some(rpc::version())))
}

fn reply(id: Option<&Value>, answer: super::error::Answer<Option<Value>>) -> Response {
    let mut reply = json!({ "jsonrpc": "2.0", "id": id });
    match answer {
        Ok(Some(result)) => reply["result"] = result,
        // Python's None: neither a result nor an error.
        Ok(None) => {}
        Err(error) => reply["error"] = error.to_json(),
    }
    (
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        reply.to_string(),
    )
        .into_response()
}

async fn health(Shared(state): Shared<Arc<State>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let asked = query
        .get("db_server_status")
        .is_some_and(|value| !value.is_empty() && value != "0");
    let (status, body) = if asked && state.options.health_knows_database {
        if state.pool.fresh("postgres").await.is_ok() {
            (StatusCode::OK, "{\"status\": \"pass\", \"db_server_status\": true}")
        } else {
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "{\"status\": \"fail\", \"db_server_status\": false}",
            )
        }
    } else {
        (StatusCode::OK, "{\"status\": \"pass\"}")
    };
    (
        status,
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}

async fn version() -> Response {
    let body = json!({ "version_info": [19, 0, 0, "final", 0, ""], "version": "19.0" });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn manager(Shared(state): Shared<Arc<State>>) -> Response {
    html(
        StatusCode::OK,
        if state.options.list_db { MANAGER } else { MANAGER_OFF },
    )
    .await
}

async fn redirect(to: &'static str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [
            (header::LOCATION, to),
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        ],
    )
        .into_response()
}

async fn html(status: StatusCode, body: impl Into<String>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        body.into(),
    )
        .into_response()
}
