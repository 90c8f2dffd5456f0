// Durations in Prometheus's syntax, and the drill's time scale.
local units = [
  { name: 'd', ms: 86400000 },
  { name: 'h', ms: 3600000 },
  { name: 'm', ms: 60000 },
  { name: 's', ms: 1000 },
  { name: 'ms', ms: 1 },
];

local parse(text) =
  local close(state) =
    local found = [u.ms for u in units if u.name == state.unit];
    assert std.length(found) == 1 && state.digits != '' : 'not a duration: %s' % text;
    std.parseInt(state.digits) * found[0];
  local read(state, char) =
    if char >= '0' && char <= '9' then
      if state.unit == '' then state { digits: state.digits + char }
      else { total: state.total + close(state), digits: char, unit: '' }
    else state { unit: state.unit + char };
  local end = std.foldl(read, std.stringChars(text), { total: 0, digits: '', unit: '' });
  end.total + close(end);

local format(ms) =
  local write(state, unit) =
    local count = std.floor(state.left / unit.ms);
    if count > 0 then { left: state.left - count * unit.ms, text: state.text + '%d%s' % [count, unit.name] }
    else state;
  local done = std.foldl(write, units, { left: ms, text: '' });
  if done.text == '' then '0s' else done.text;

local scale(text, factor, floor) =
  if factor == 1 then text
  else format(std.max(std.floor(parse(text) * factor + 0.5), std.min(parse(floor), parse(text))));

{
  // Milliseconds of a duration.
  ms: parse,
  // A duration of so many milliseconds.
  text: format,
  seconds(text): parse(text) / 1000,
  // A range selector's window under the time scale, never below `min_range`.
  window(config, text): scale(text, config.time_scale, config.min_range),
  // A `for`, under the time scale.
  pending(config, text): scale(text, config.time_scale, '1s'),
  // A group's interval, under the time scale.
  interval(config, text): scale(text, config.time_scale, '1s'),
}
