//! Places to listen at, good and bad.

use super::*;
use crate::spool::testing::CHILD;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

async fn open(path: &Path, mode: u32) -> Result<Listener, Problem> {
    Listener::open(&Listen::Unix(path.to_owned()), mode).await
}

#[tokio::test]
async fn socket_has_its_mode_and_goes_with_its_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lmtp");
    for mode in [0o660, 0o600, 0o666] {
        let listener = open(&path, mode).await.unwrap();
        let there = std::fs::symlink_metadata(&path).unwrap();
        assert_eq!(there.mode() & 0o7777, mode);
        assert!(there.file_type().is_socket());
        let (client, server) = tokio::join!(UnixStream::connect(&path), listener.accept());
        client.unwrap();
        server.unwrap();
        drop(listener);
        assert!(!path.exists());
    }
}

/// The umask is the whole process's: by itself this takes the one that there is.
#[tokio::test]
async fn child_binds_under_its_umask() {
    let own = tempfile::tempdir().unwrap();
    let dir = std::env::var_os(CHILD).map_or(own.path().to_owned(), PathBuf::from);
    let path = dir.join("lmtp");
    let mode = || std::fs::symlink_metadata(&path).unwrap().mode() & 0o7777;
    let closed = bind_closed(&path).unwrap();
    assert_eq!(mode() & !0o600, 0, "{:o} before it is opened", mode());
    drop(closed);
    std::fs::remove_file(&path).unwrap();
    let _listener = open(&path, 0o660).await.unwrap();
    assert_eq!(mode(), 0o660);
}

#[test]
fn socket_lets_nobody_in_before_its_mode_is_set_whatever_the_umask() {
    for umask in ["000", "002", "022", "077", "777"] {
        let dir = tempfile::tempdir().unwrap();
        let child = "lmtp::listen::tests::child_binds_under_its_umask";
        let ended = std::process::Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" --exact {child}")])
            .arg(std::env::current_exe().unwrap())
            .env(CHILD, dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{umask}: {said}"
        );
    }
}

#[tokio::test]
async fn port_lets_clients_in_until_its_listener_goes() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listener = Listener::open(&Listen::Tcp(address), 0).await.unwrap();
    let client = tokio::net::TcpStream::connect(address);
    let (client, server) = tokio::join!(client, listener.accept());
    client.unwrap();
    server.unwrap();
    drop(listener);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stale_socket_is_replaced_and_one_in_use_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lmtp");
    // Its program was killed: the name stays.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let first = open(&path, 0o600).await.unwrap();
    let second = open(&path, 0o600).await.unwrap_err().to_string();
    assert!(second.contains("another program listens here"), "{second}");
    UnixStream::connect(&path).await.unwrap();
    // One that took our name is not taken away with us.
    std::fs::remove_file(&path).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(other);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = Listen::Tcp(listener.local_addr().unwrap());
    let problem = Listener::open(&taken, 0).await.unwrap_err().to_string();
    assert!(problem.contains("cannot listen at 127.0.0.1"), "{problem}");
}

#[tokio::test]
async fn e6_place_that_others_could_take_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("run");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("lmtp");
    for (mode, fine) in [
        (0o755, true),
        (0o2750, true),
        (0o777, false),
        (0o1777, false),
    ] {
        chmod(&inner, mode);
        let opened = open(&path, 0o660).await;
        assert_eq!(opened.is_ok(), fine, "{mode:o}: {opened:?}");
    }
    chmod(&inner, 0o755);
    chmod(dir.path(), 0o777);
    let problem = open(&path, 0o660).await.unwrap_err().to_string();
    assert!(problem.contains("chmod o-w"), "{problem}");
    chmod(dir.path(), 0o700);
    std::fs::write(&path, b"mail?").unwrap();
    let problem = open(&path, 0o660).await.unwrap_err().to_string();
    assert!(
        problem.contains("something else than a socket"),
        "{problem}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"mail?");
    let missing = dir.path().join("none/lmtp");
    let problem = open(&missing, 0o660).await.unwrap_err().to_string();
    assert!(problem.contains("install -d"), "{problem}");
}
