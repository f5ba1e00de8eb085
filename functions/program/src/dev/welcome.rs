//! The welcome text of `bellwire dev`: its address, commands to paste, and what other programs need to take part.

use std::{fs, io, net::SocketAddr, path::Path};

/// A real file for the first import. Source: NASA's planetary fact sheet.
const PLANETS: &str = "\
planet,mass_1e24_kg,diameter_km,day_hours,distance_1e6_km,orbit_days,moons,rings
Mercury,0.330,4879,4222.6,57.9,88.0,0,no
Venus,4.87,12104,2802.0,108.2,224.7,0,no
Earth,5.97,12756,24.0,149.6,365.2,1,no
Mars,0.642,6792,24.7,228.0,687.0,2,no
Jupiter,1898,142984,9.9,778.5,4331,95,yes
Saturn,568,120536,10.7,1432.0,10747,146,yes
Uranus,86.8,51118,17.2,2867.0,30589,28,yes
Neptune,102,49528,16.1,4515.0,59800,16,yes
";

/// Writes the sample file into the data folder and returns the text, with what is said before the commands.
pub(crate) fn prepare(data: &Path, listening: SocketAddr, remarks: &[String]) -> io::Result<String> {
    let sample = data.join("planets.csv");
    fs::write(&sample, PLANETS)?;
    let address = match listening.ip().is_unspecified() || listening.ip().is_loopback() {
        true => format!("http://localhost:{}", listening.port()),
        false => format!("http://{listening}"),
    };
    // A relative path would not be found from another folder.
    let remarks: String = remarks.iter().map(|remark| format!("{remark}\n")).collect();
    Ok(text(&address, &sample.canonicalize()?.display().to_string(), &remarks))
}

fn text(address: &str, sample: &str, remarks: &str) -> String {
    format!(
        r#"
Bellwire is at {address}  (environments dev and test; Ctrl-C ends it)
{remarks}
Follow what ada is told, in a terminal of its own:

  curl -sN "{address}/events?access_token=$(curl -s '{address}/dev/token?user=ada&env=dev' | cut -d'"' -f4)"

Import a file as ada, here or on the page; any CSV or TSV of yours will do:

  TOKEN=$(curl -s '{address}/dev/token?user=ada&env=dev' | cut -d'"' -f4)
  FILE=$(curl -s -H "Authorization: Bearer $TOKEN" -T '{sample}' {address}/api/files/ | cut -d'"' -f4)
  curl -s -H "Authorization: Bearer $TOKEN" {address}/api/tasks --json '{{"kind":"imports","title":"Planets","input":{{"file":"'"$FILE"'","table":"planets"}}}}'
"#
    )
}
