use runtime::{Completion, Context, Failure, Function, Kind, Level, Toast, Worker};
use schemars::JsonSchema;
use serde::Deserialize;

/// The input: checked before the run, a form on the page, and described by the API.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The name of the person to greet.
    name: String,
}

struct Greetings;

#[async_trait::async_trait]
impl Function for Greetings {
    type Input = Input;
    type Output = i64;

    fn kind(&self) -> Kind {
        "greetings".parse().expect("it is a name")
    }

    async fn run(&self, context: &Context, Input { name }: Input) -> Result<Completion<i64>, Failure> {
        let toast = Toast::new(Level::Success, format!("Hello {name}!"));
        // Once for this task, even if this worker is killed and another runs it again.
        let greeted = context.once(move |sql| {
            sql.execute("CREATE TABLE IF NOT EXISTS greeted (name TEXT)", &[])?;
            sql.execute("INSERT INTO greeted VALUES ($1)", &[name.into()])?;
            Ok(sql.query("SELECT count(*) FROM greeted", &[])?[0].integer(0).unwrap_or_default())
        });
        Ok(Completion { output: greeted.await?, toast })
    }
}

fn main() -> std::process::ExitCode {
    program::run("greetings", |settings| Worker::from_settings(settings, Greetings))
}
