//! `martech-server user`: manages accounts from the shell.
//!
//! If no server uses the data folder, or if the accounts are in MongoDB, the command changes them directly. If a server
//! runs on the folder, the command sends requests to it with the admin token of the folder.

mod local;
mod remote;

use std::{fs, io, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use self::{local::Local, remote::Remote};
use crate::{
    commands::{
        http_client::{TrustArgs, TrustError},
        output::print_line,
    },
    config::{PasswordArgs, StoreArgs, one_of},
    http::auth::AdminToken,
    identity::{AccountError, KeyFate, Member, ProjectId, Role, secret},
    projects::backend::{self, BackendError},
    records::RecordsError,
    util::parse_addr,
};

/// Arguments of `user`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --password-stdin, a new password is read from standard input; otherwise one is generated and shown once.
The first account is always an owner, regardless of --role.")]
pub struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,

    /// The data folder
    #[arg(long, global = true, env = "MARTECH_DATA_DIR", default_value = "./data", value_name = "DIR")]
    data_dir: PathBuf,

    /// Project of the role; `list` shows the members of this project
    #[arg(long, global = true, default_value = "default", value_name = "NAME")]
    project: ProjectId,

    /// URL of the server that runs on the data folder, if there is one; by default from MARTECH_ADDR, or
    /// http://127.0.0.1:3000
    #[arg(long, global = true, env = "MARTECH_URL", value_name = "URL")]
    url: Option<String>,

    #[command(flatten)]
    trust: TrustArgs,

    /// Listen address of that server, from its own variable
    #[arg(long, global = true, env = "MARTECH_ADDR", default_value = "127.0.0.1:3000", hide = true, value_parser = parse_addr)]
    addr: SocketAddr,

    /// Certificate of that server; it speaks TLS if this is set
    #[arg(long, global = true, env = "MARTECH_TLS_CERT", hide = true)]
    tls_cert: Option<PathBuf>,

    /// Admin token of that server; set only by MARTECH_ADMIN_TOKEN or by the file that MARTECH_ADMIN_TOKEN_FILE names;
    /// by default the token in the data folder
    #[arg(long, global = true, env = "MARTECH_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = AdminToken::new)]
    admin_token: Option<AdminToken>,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    passwords: PasswordArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum UserCommand {
    /// Creates an account
    Add {
        /// Email address
        email: String,
        /// Display name
        #[arg(long, default_value = "")]
        name: String,
        /// Role: analysts read; admins also invite members and manage keys and the store; owners may do everything
        #[arg(long, default_value = "analyst", value_parser = one_of(&Role::ALL))]
        role: Role,
        /// Reads the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Lists all accounts, or the members of --project
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Sets a new password for an account and signs it out everywhere
    Passwd {
        /// Email address
        email: String,
        /// Reads the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Changes the role of an account
    Role {
        /// Email address
        email: String,
        /// New role
        #[arg(value_parser = one_of(&Role::ALL))]
        role: Role,
        /// Keeps the account's keys if the new role may not create keys; by default they are revoked
        #[arg(long)]
        keep_keys: bool,
    },
    /// Removes an account and signs it out everywhere; with --project, removes only its role in that project
    Remove {
        /// Email address
        email: String,
        /// Keeps the account's keys; by default they are revoked
        #[arg(long)]
        keep_keys: bool,
    },
}

impl UserArgs {
    /// Returns the URL of the server.
    fn server(&self) -> String {
        let of_this_machine = || {
            let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
            // A server that listens on all addresses is reachable on the loopback address.
            let host = match self.addr {
                SocketAddr::V4(addr) if addr.ip().is_unspecified() => "127.0.0.1".to_owned(),
                SocketAddr::V4(addr) => addr.ip().to_string(),
                SocketAddr::V6(addr) if addr.ip().is_unspecified() => "[::1]".to_owned(),
                SocketAddr::V6(addr) => format!("[{}]", addr.ip()),
            };
            format!("{scheme}://{host}:{}", self.addr.port())
        };
        self.url.clone().unwrap_or_else(of_this_machine)
    }
}

/// The names of keys whose creator may no longer create keys.
struct Keys {
    revoked: Vec<String>,
    transferred: Vec<String>,
}

impl Keys {
    fn tell(&self) {
        self.revoked.iter().for_each(|name| print_line(format_args!("key `{name}` revoked")));
        self.transferred.iter().for_each(|name| print_line(format_args!("key `{name}` kept")));
    }
}

fn fate(keep: bool) -> KeyFate {
    if keep { KeyFate::Transfer } else { KeyFate::End }
}

/// An error of the command.
#[derive(Debug, thiserror::Error)]
enum UserError {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error("there is no account for {0}")]
    NotFound(String),
    #[error("{0}: {1}")]
    Folder(PathBuf, io::Error),
    #[error(transparent)]
    Store(#[from] BackendError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("cannot read the password: {0}")]
    Input(io::Error),
    #[error(
        "a server uses the data folder, but the request to {url} failed: {reason} (--url sets its address, --ca-cert the certificates to trust)"
    )]
    Unreachable { url: String, reason: String },
    #[error("the server refused the request: {0}")]
    Refused(String),
}

/// The accounts, local or behind a server.
enum Accounts {
    Local(Local),
    Remote(Remote),
}

/// Runs the command, and prints the result on standard output.
pub(super) fn run(args: &UserArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(carry_out(args)),
        Err(error) => return fail(&error),
    };
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("martech-server: {error}");
    ExitCode::FAILURE
}

async fn carry_out(args: &UserArgs) -> Result<(), UserError> {
    let (accounts, project) = (open(args).await?, &args.project);
    match &args.command {
        UserCommand::Add { email, name, role, password_stdin } => {
            let password = Password::get(*password_stdin)?;
            let made = accounts.add(project, email, name, *role, &password.text).await?;
            let role = made.role.map_or_else(|| "without a role".to_owned(), |role| role.to_string());
            print_line(format_args!("{} is {role}", made.email));
            password.tell();
        }
        UserCommand::List { json: true } => {
            print_line(serde_json::json!({ "members": accounts.list(project).await? }));
        }
        UserCommand::List { json: false } => {
            for Member { email, name, role, created_at, .. } in accounts.list(project).await? {
                let role = role.map_or_else(|| "-".to_owned(), |role| role.to_string());
                print_line(format_args!("{email:40} {role:8} since {} {name}", &created_at.to_string()[..10]));
            }
        }
        UserCommand::Passwd { email, password_stdin } => {
            let password = Password::get(*password_stdin)?;
            accounts.reset_password(&accounts.find(email).await?, &password.text).await?;
            print_line(format_args!("{email} has a new password"));
            password.tell();
        }
        UserCommand::Role { email, role, keep_keys } => {
            let keys = accounts.set_role(project, &accounts.find(email).await?, *role, fate(*keep_keys)).await?;
            print_line(format_args!("{email} is {role}"));
            keys.tell();
        }
        UserCommand::Remove { email, keep_keys } => {
            let keys = accounts.remove(project, &accounts.find(email).await?, fate(*keep_keys)).await?;
            match project.is_default() {
                true => print_line(format_args!("{email} no longer has an account")),
                false => print_line(format_args!("{email} no longer has a role in {project}")),
            }
            keys.tell();
        }
    }
    Ok(())
}

async fn open(args: &UserArgs) -> Result<Accounts, UserError> {
    let folder = |error| UserError::Folder(args.data_dir.clone(), error);
    if let Some(options) = args.store.mongo() {
        return Ok(Accounts::Local(Local::beside(options, &args.passwords).await?));
    }
    // A new account may be the first file in a folder. The other commands need an existing folder.
    if let UserCommand::Add { .. } = args.command {
        fs::create_dir_all(&args.data_dir).map_err(folder)?;
    }
    // The holder of the lock owns the accounts of the folder, or shares those in MongoDB.
    match backend::lock(&args.data_dir) {
        Ok(lock) => Ok(Accounts::Local(Local::in_folder(&args.data_dir, lock, &args.passwords)?)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Ok(Accounts::Remote(Remote::new(&args.server(), &args.trust, args.admin_token.as_ref(), &args.data_dir)?))
        }
        Err(error) => Err(folder(error)),
    }
}

impl Accounts {
    async fn find(&self, email: &str) -> Result<String, UserError> {
        let mut all = self.list(&ProjectId::default()).await?.into_iter();
        let found = all.find(|member| member.email.as_str().eq_ignore_ascii_case(email));
        found.map(|member| member.id).ok_or_else(|| UserError::NotFound(email.to_owned()))
    }

    async fn add(
        &self,
        project: &ProjectId,
        email: &str,
        name: &str,
        role: Role,
        password: &str,
    ) -> Result<Member, UserError> {
        match self {
            Self::Local(local) => local.add(project, email, name, role, password).await,
            Self::Remote(remote) => remote.add(project, email, name, role, password),
        }
    }

    async fn list(&self, project: &ProjectId) -> Result<Vec<Member>, UserError> {
        match self {
            Self::Local(local) => local.list(project).await,
            Self::Remote(remote) => remote.list(project),
        }
    }

    async fn reset_password(&self, id: &str, password: &str) -> Result<(), UserError> {
        match self {
            Self::Local(local) => local.reset_password(id, password).await,
            Self::Remote(remote) => remote.reset_password(id, password),
        }
    }

    async fn set_role(&self, project: &ProjectId, id: &str, role: Role, keys: KeyFate) -> Result<Keys, UserError> {
        match self {
            Self::Local(local) => local.set_role(project, id, role, keys).await,
            Self::Remote(remote) => remote.set_role(project, id, role, keys),
        }
    }

    async fn remove(&self, project: &ProjectId, id: &str, keys: KeyFate) -> Result<Keys, UserError> {
        match self {
            Self::Local(local) => local.remove(project, id, keys).await,
            Self::Remote(remote) => remote.remove(project, id, keys),
        }
    }
}

/// A new password.
struct Password {
    text: String,
    made: bool,
}

impl Password {
    /// Generates a password, or reads the first line of standard input.
    fn get(from_input: bool) -> Result<Self, UserError> {
        if !from_input {
            return Ok(Self { text: secret::random(), made: true });
        }
        let mut text = String::new();
        io::stdin().read_line(&mut text).map_err(UserError::Input)?;
        Ok(Self { text: text.trim_end_matches(['\r', '\n']).to_owned(), made: false })
    }

    fn tell(&self) {
        if self.made {
            print_line(format_args!("password: {}", self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: UserArgs,
    }

    #[test]
    fn derives_the_server_url_from_its_settings() {
        let server = |words: &[&str]| {
            let line = ["user", "list"].iter().chain(words);
            Line::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).args.server()
        };
        assert_eq!(server(&[]), "http://127.0.0.1:3000");
        assert_eq!(server(&["--addr", "0.0.0.0:4000"]), "http://127.0.0.1:4000");
        assert_eq!(server(&["--addr", "[::]:443", "--tls-cert", "cert.pem"]), "https://[::1]:443");
        assert_eq!(server(&["--addr", "10.0.0.7:80"]), "http://10.0.0.7:80");
        assert_eq!(server(&["--addr", "10.0.0.7:80", "--url", "https://shop.example"]), "https://shop.example");
    }
}
