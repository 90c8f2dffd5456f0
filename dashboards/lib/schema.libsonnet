// The metric schema: `cargo xtask render` writes schema.json from seamless_core::schema.
import 'schema.json'
