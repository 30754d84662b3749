//! `thermocline stage`: brings cold data online, a selection of a dataset or a list of files, and shows how far it is.

mod events;
mod show;

use std::io::Read;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::{Client, ServerArgs};
use super::{Failure, runtime};

use show::Bar;

/// Most files of a state that are named one by one.
const MAX_NAMED: usize = 100;

/// What to bring online.
#[derive(Debug, Clone, Args)]
pub(crate) struct StageArgs {
    /// Address of a dataset (`http://host/datasets/ID`), or paths of files
    #[arg(value_name = "URL|PATH")]
    what: Vec<String>,
    /// File with one path a line; `-` reads them from the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["var", "sel", "isel", "bbox", "time"])]
    list: Option<String>,
    /// Variable of the dataset; all of them without
    #[arg(long, value_name = "NAME")]
    var: Vec<String>,
    /// Group of the dataset
    #[arg(long, value_name = "PATH")]
    group: Option<String>,
    /// Values along a dimension, as `DIM=V` or `DIM=LO:HI`, both ends included
    #[arg(long, value_name = "DIM=VALUES")]
    sel: Vec<String>,
    /// Positions along a dimension, as `DIM=I` or `DIM=I:J:K`
    #[arg(long, value_name = "DIM=POSITIONS")]
    isel: Vec<String>,
    /// Box in degrees; across the date line where west is greater than east
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Option<String>,
    /// Range of time, both ends included, as `2000-01/2000-03`
    #[arg(long, value_name = "FROM/TO")]
    time: Option<String>,
    /// How long the data stay online: `P2D`, `6h`
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<String>,
    /// From 0 (whenever it suits) to 9
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Only says what it would take
    #[arg(long)]
    dry_run: bool,
    /// Prints the address of the request and ends
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) fn run(args: &StageArgs) -> Result<ExitCode, Failure> {
    let order = Order::of(args)?;
    let client = Client::new(&args.server.token)?;
    runtime()?.block_on(stage(&client, &order, args))
}

/// A request as it is sent.
#[derive(Debug, PartialEq)]
struct Order {
    url: String,
    body: Value,
}

impl Order {
    fn of(args: &StageArgs) -> Result<Self, Failure> {
        let mut body = Map::new();
        let url = match (args.what.as_slice(), &args.list) {
            ([url], None) if is_url(url) => {
                body.extend(selection(args)?);
                format!("{}/stage", url.trim_end_matches('/'))
            }
            (paths, list) => {
                if args.selects() {
                    return Err(Failure::Usage(
                        "--var, --sel, --isel, --bbox and --time select from one dataset".to_owned(),
                    ));
                }
                let mut objects: Vec<Value> = paths.iter().map(|path| json!(path)).collect();
                if let Some(list) = list {
                    objects.extend(
                        lines(list)?
                            .lines()
                            .map(str::trim)
                            .filter(|line| !line.is_empty())
                            .map(|line| json!(line)),
                    );
                }
                if objects.is_empty() {
                    return Err(Failure::Usage(
                        "nothing to stage: name a dataset's URL, paths, or a --list".to_owned(),
                    ));
                }
                body.insert("objects".to_owned(), Value::Array(objects));
                format!("{}/requests", args.server.server.trim_end_matches('/'))
            }
        };
        body.extend(args.lifetime.as_ref().map(|lifetime| ("lifetime".to_owned(), json!(lifetime))));
        body.extend(args.priority.map(|priority| ("priority".to_owned(), json!(priority))));
        if args.dry_run {
            body.insert("dry_run".to_owned(), json!(true));
        }
        Ok(Self { url, body: Value::Object(body) })
    }
}

impl StageArgs {
    fn selects(&self) -> bool {
        !self.var.is_empty()
            || !self.sel.is_empty()
            || !self.isel.is_empty()
            || self.bbox.is_some()
            || self.time.is_some()
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn lines(list: &str) -> Result<String, Failure> {
    if list != "-" {
        return std::fs::read_to_string(list)
            .map_err(|cause| Failure::because(format_args!("cannot read {list}"), cause));
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|cause| Failure::because("cannot read the standard input", cause))?;
    Ok(text)
}

/// The options of a selection as the server reads them.
fn selection(args: &StageArgs) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    if !args.var.is_empty() {
        body.insert("variables".to_owned(), json!(args.var));
    }
    body.extend(args.group.as_ref().map(|group| ("group".to_owned(), json!(group))));
    for (key, pairs) in [("sel", &args.sel), ("isel", &args.isel)] {
        let mut dims = Map::new();
        for pair in pairs {
            let (dim, value) = pair.split_once('=').ok_or_else(|| {
                Failure::Usage(format!(
                    "--{key} {pair} is not a dimension and what to take of it, as DIM=VALUE"
                ))
            })?;
            dims.insert(dim.to_owned(), json!(value));
        }
        if !dims.is_empty() {
            body.insert(key.to_owned(), Value::Object(dims));
        }
    }
    if let Some(bbox) = &args.bbox {
        let numbers: Result<Vec<f64>, _> =
            bbox.split(',').map(|number| number.trim().parse::<f64>()).collect();
        match numbers {
            Ok(numbers) if numbers.len() == 4 => body.insert("bbox".to_owned(), json!(numbers)),
            _ => return Err(Failure::Usage(format!("--bbox {bbox} is not W,S,E,N in degrees"))),
        };
    }
    if let Some(time) = &args.time {
        let (from, to) = time
            .split_once('/')
            .ok_or_else(|| Failure::Usage(format!("--time {time} is no range, as 2000-01/2000-03")))?;
        body.insert("time".to_owned(), json!([from, to]));
    }
    Ok(body)
}

async fn stage(client: &Client, order: &Order, args: &StageArgs) -> Result<ExitCode, Failure> {
    let answer = client.post_repeatable(&order.url, &order.body).await?;
    eprint!("{}", show::left_out(&answer));
    if args.dry_run {
        print!("{}", show::cost(&answer));
        return Ok(ExitCode::SUCCESS);
    }
    let url = link(&answer, "self")
        .ok_or_else(|| Failure::Failed(format!("{} did not say where the request is", order.url)))?;
    if args.no_wait {
        println!("{url}");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{url}");
    let bar = Bar::new(&answer);
    let ended = events::follow(client, &url, &bar).await;
    bar.finish();
    let ended = ended?;
    let missing = missing(client, &url, &ended).await;
    print!("{}", show::outcome(&ended, missing.as_deref().unwrap_or_default()));
    if let Err(failure) = missing {
        eprintln!("cannot tell which files failed: {failure}; {url}/objects does");
    }
    Ok(match ended.get("state").and_then(Value::as_str) {
        Some("succeeded") => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Address of a link of a document.
fn link(document: &Value, rel: &str) -> Option<String> {
    let links = document.get("links")?.as_array()?;
    let found = links.iter().find(|link| link.get("rel").and_then(Value::as_str) == Some(rel))?;
    found.get("href")?.as_str().map(str::to_owned)
}

/// Objects that could not be brought online, with their reasons: the first hundred that failed, and of those lost.
async fn missing(client: &Client, url: &str, ended: &Value) -> Result<Vec<Value>, Failure> {
    let mut missing = Vec::new();
    for state in ["failed", "lost"].into_iter().filter(|state| show::tally(ended, state) > 0) {
        let page = client.get(&format!("{url}/objects?state={state}&limit={MAX_NAMED}")).await?;
        missing.extend(page.get("objects").and_then(Value::as_array).into_iter().flatten().cloned());
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        stage: StageArgs,
    }

    fn order(arguments: &[&str]) -> Result<Order, String> {
        let arguments = std::iter::once("stage").chain(arguments.iter().copied());
        Order::of(&Command::try_parse_from(arguments).unwrap().stage).map_err(|failure| failure.to_string())
    }

    #[test]
    fn options_of_a_selection_are_the_body_of_the_request() {
        let order = order(&[
            "http://host/datasets/era5/",
            "--var=t2m",
            "--time=2000-01/2000-03",
            "--bbox=-10,30,20,60",
            "--sel=level=850",
            "--isel=member=0:2",
            "--dry-run",
        ]);
        let body = json!({"variables": ["t2m"], "sel": {"level": "850"}, "isel": {"member": "0:2"},
            "bbox": [-10.0, 30.0, 20.0, 60.0], "time": ["2000-01", "2000-03"], "dry_run": true});
        assert_eq!(order.unwrap(), Order { url: "http://host/datasets/era5/stage".to_owned(), body });
    }

    #[test]
    fn paths_are_a_list_of_objects() {
        let order =
            order(&["/archive/a.nc", "/archive/b.nc", "--server=http://host:9/", "--lifetime=P2D"]).unwrap();
        let body = json!({"objects": ["/archive/a.nc", "/archive/b.nc"], "lifetime": "P2D"});
        assert_eq!(order, Order { url: "http://host:9/requests".to_owned(), body });
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (arguments, said) in [
            (&["/a.nc", "--var=x"][..], "select from one dataset"),
            (&[][..], "nothing to stage"),
            (&["http://h/datasets/a", "--time=2000"][..], "is no range"),
            (&["http://h/datasets/a", "--bbox=1,2,3"][..], "is not W,S,E,N"),
            (&["http://h/datasets/a", "--sel=level"][..], "as DIM=VALUE"),
        ] {
            assert!(order(arguments).unwrap_err().contains(said), "{arguments:?}");
        }
    }
}
