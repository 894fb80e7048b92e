//! The power of an ext4 file system fails at random moments: the shutdown ioctl drops everything
//! that was not synced, as a power cut does. `LISTSEAL_CUTS` sets how often. Needs root, and a
//! kernel with loop devices.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::figures::{Dice, rounds};
use super::relay::{End, Relay};

const CONNECTIONS: u64 = 3;

/// A file system in a file, mounted at a directory.
struct Mount {
    image: PathBuf,
    at: PathBuf,
}

fn run(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
}

impl Mount {
    fn new(image: PathBuf, at: PathBuf) -> Self {
        std::fs::File::create(&image)
            .unwrap()
            .set_len(48 << 20)
            .unwrap();
        run(&[
            "mkfs.ext4",
            "-q",
            "-F",
            "-N",
            "8192",
            image.to_str().unwrap(),
        ]);
        let mount = Self { image, at };
        mount.mount();
        mount
    }

    fn mount(&self) {
        // No delay: what is not synced has a fair chance to be on the way.
        run(&[
            "mount",
            "-o",
            "loop,commit=1",
            self.image.to_str().unwrap(),
            self.at.to_str().unwrap(),
        ]);
    }

    /// Someone with a hand on the switch, so that it goes off at once when it is to.
    fn cutter(&self) -> Cutter {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: not even the journal is written.
        let script = "import fcntl, os, struct, sys\n\
             fd = os.open(sys.argv[1], os.O_RDONLY)\n\
             print('ready', flush=True)\n\
             sys.stdin.readline()\n\
             fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))\n";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(&self.at);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut ready = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        Cutter(child)
    }

    fn unmount(&self) {
        for _ in 0..200 {
            if Command::new("umount")
                .arg(&self.at)
                .output()
                .unwrap()
                .status
                .success()
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} cannot be unmounted", self.at.display());
    }
}

struct Cutter(Child);

impl Cutter {
    fn cut(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

/// Names the test past the capture of the harness where it cannot run: `tests/run` counts that.
fn may_mount() -> bool {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    let able = root && Path::new("/dev/loop-control").exists();
    if !able {
        let text = b"\nskipped: needs root and loop devices to cut the power of an ext4: power\n";
        std::io::stderr().write_all(text).unwrap();
    }
    able
}

#[test]
fn nothing_is_lost_when_the_power_fails() {
    if !may_mount() {
        return;
    }
    let wanted = rounds("LISTSEAL_CUTS", 50);
    let relay = Relay::new(CONNECTIONS);
    std::fs::remove_dir_all(relay.site.path("disk")).unwrap();
    std::fs::create_dir(relay.site.path("disk")).unwrap();
    let disk = Mount::new(relay.site.path("image"), relay.site.path("disk"));
    relay.furnish();
    run(&["sync", "-f", disk.at.to_str().unwrap()]);
    let mut dice = Dice::new();
    let (mut number, mut accepted, mut interrupted) = (0, Vec::new(), 0);
    for _ in 0..wanted {
        let posts = 1 + dice.below(3);
        let mut again = Vec::new();
        for _ in 0..posts {
            number += 1;
            match relay.queue("team", &relay.post(number), &[]).0 {
                End::Code(0) => accepted.push(number),
                other => panic!("{other:?}"),
            }
        }
        let cutter = disk.cutter();
        let mut daemon = relay.begin(&["run"], &[]);
        // One more is on its way while the power fails.
        number += 1;
        let mut last = relay.begin(
            &["queue", "team@example.org", "--sender", "alice@example.org"],
            &[],
        );
        let _ = last.stdin.take().unwrap().write_all(&relay.post(number));
        std::thread::sleep(Duration::from_millis(dice.below(200)));
        cutter.cut();
        if last.wait().unwrap().code() == Some(0) {
            accepted.push(number);
        } else {
            again.push(number);
        }
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        disk.unmount();
        disk.mount();
        interrupted += u64::from(relay.waiting() > 0 || !again.is_empty());
        for number in again {
            assert_eq!(
                relay.queue("team", &relay.post(number), &[]).0,
                End::Code(0)
            );
            accepted.push(number);
        }
    }
    relay.finish();
    let figures = relay.judge(&accepted);
    figures.tell(
        "Power cut",
        &format!("{wanted} cuts, {interrupted} before all was done"),
        &disk.at,
        &format!("LISTSEAL_CUTS={wanted} cargo test --features faults --test crash power"),
    );
    assert_eq!((figures.lost, figures.torn), (0, 0), "{figures:?}");
    assert!(figures.duplicated <= CONNECTIONS * wanted, "{figures:?}");
    assert!(interrupted > 0, "no cut met work");
}
