//! The real binary, in a folder of its own.

use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use backplane::{Backplane, BackplaneConfig};
use tempfile::TempDir;

/// A folder with a settings file in it.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bellwire.toml"), settings).unwrap();
        Self(folder)
    }

    /// `bellwire` with these arguments, not yet started.
    pub(crate) fn bellwire(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        // The machine's own settings are not ours.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLWIRE_")) {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.bellwire(arguments).output().unwrap()
    }

    /// The one line that a command ends with.
    pub(crate) fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{output:?}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        line
    }
}

/// An environment of a test's own on the broker, with queues: the folder of its settings, and its backplane.
pub(crate) fn environment(kinds: &str) -> (Folder, Backplane) {
    let url = std::env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make test`, which starts a broker");
    let prefix = format!("t{:08x}", rand::random::<u32>());
    let settings = format!("[[environment]]\nname = 'prod'\n[backplane]\nurl = '{url}'\nprefix = '{prefix}'");
    let (folder, prod) = (Folder::with(&settings), "prod".parse().unwrap());
    assert!(folder.run(&["topology", "--kinds", kinds]).status.success());
    let config = BackplaneConfig { url, prefix: prefix.parse().unwrap(), ..Default::default() };
    (folder, Backplane::open(&config, &prod).unwrap())
}

/// A `bellwire dev` that is told to stop at the end.
pub(crate) struct Dev {
    pub(crate) folder: Folder,
    child: Running,
    /// What it printed.
    pub(crate) words: String,
}

impl Dev {
    pub(crate) fn start() -> Self {
        Self::start_in(Folder::with(""), &[], &[])
    }

    /// In a folder that has been prepared, with variables and further flags.
    pub(crate) fn start_in(folder: Folder, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let mut dev = folder.bellwire(&[&["dev", "--port", "0"], flags].concat());
        dev.envs(variables.iter().copied());
        let mut child = dev.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut words = String::new();
        while !words.contains("/api/tasks") {
            words += &lines.next().expect("it says where it is").unwrap();
            words.push('\n');
        }
        Self { folder, child: Running(child), words }
    }

    /// Its `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.words.split_once("http://").unwrap().1.split_whitespace().next().unwrap()
    }

    /// The answer to a request with exactly these header lines, head and body.
    pub(crate) fn answer(&self, request: &str, headers: &[&str]) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(stream, "{request}\r\n{headers}connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Runs lines as if they had been pasted.
    pub(crate) fn paste(&self, lines: &str) -> String {
        let output = Command::new("sh").args(["-euc", lines]).current_dir(self.folder.0.path()).output().unwrap();
        assert!(output.status.success(), "{lines}\n{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a line that goes on until it is dropped.
    pub(crate) fn follow(&self, line: &str) -> Follow {
        let mut shell = Command::new("sh");
        // The shell becomes the program, so that ending it ends all.
        Follow::start(shell.args(["-euc", &format!("exec {line}")]))
    }

    /// Tells it to stop, waits until it has, and returns its folder.
    pub(crate) fn stop(mut self) -> Folder {
        let pid = self.child.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let began = Instant::now();
        let status = self.child.0.wait().unwrap();
        assert!(status.success(), "{status}");
        assert!(began.elapsed() < Duration::from_secs(15), "it lingers");
        self.folder
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, unless a test has failed.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A process, and the lines that it prints.
pub(crate) struct Follow {
    _child: Running,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follow {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: Running(child), lines }
    }

    pub(crate) fn next(&mut self) -> String {
        self.until("")
    }

    /// The next line with these words in it.
    pub(crate) fn until(&mut self, words: &str) -> String {
        let found = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("it ended without {words}"))
    }
}
