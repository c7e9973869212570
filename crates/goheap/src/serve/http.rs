//! The server: requests in, answers out.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::guard::{Guard, protect};
use super::reply::{self, Reply};
use super::world::World;

/// How many answers are worked out at once: each has a thread of its own.
const AT_ONCE: usize = 4;

struct Server {
    guard: Guard,
    world: &'static World,
}

/// Starts a thread that answers whoever connects. It ends only if it fails.
///
/// # Errors
/// No thread, or no runtime.
pub(super) fn start(
    listener: TcpListener,
    guard: Guard,
    world: &'static World,
) -> io::Result<JoinHandle<io::Result<()>>> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(AT_ONCE)
        .build()?;
    let server = Arc::new(Server { guard, world });
    std::thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let router = Router::new().fallback(answer).with_state(server);
                axum::serve(listener, router).await
            })
        })
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let mut response = match server
        .guard
        .admit(&parts.method, &parts.uri, &parts.headers)
    {
        Err((status, why)) => plain(status, why),
        Ok(path) => match Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
            Err(_) => plain(StatusCode::BAD_REQUEST, "The query cannot be read.\n"),
            Ok(Query(query)) => {
                let (world, path) = (server.world, path.to_owned());
                let asked = tokio::task::spawn_blocking(move || reply::reply(world, &path, &query));
                match asked.await {
                    Ok(reply) => of(reply),
                    // It has panicked; the others go on.
                    Err(_) => plain(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "This could not be answered; goheap has said more on its terminal.\n",
                    ),
                }
            }
        },
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
    }
    protect(response.headers_mut());
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    typed(status, "text/plain; charset=utf-8", Body::from(text))
}

fn typed(status: StatusCode, of: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let of = HeaderValue::from_static(of);
    response.headers_mut().insert(header::CONTENT_TYPE, of);
    response
}

fn of(reply: Reply) -> Response {
    match reply {
        Reply::Page(status, page) => typed(status, "text/html; charset=utf-8", Body::from(page)),
        Reply::File(of, contents) => typed(StatusCode::OK, of, Body::from(contents)),
        Reply::Elsewhere(to) => {
            let mut response = plain(StatusCode::SEE_OTHER, "");
            match HeaderValue::from_str(&to) {
                Ok(to) => {
                    response.headers_mut().insert(header::LOCATION, to);
                    response
                }
                Err(_) => plain(StatusCode::BAD_REQUEST, "There is no such address.\n"),
            }
        }
    }
}
