-- Runs in every listener: the trace id, and redirects with placeholders.

-- Lua's default seed is the same in every worker and after every start.
math.randomseed((os.time() * 1000003 + tonumber(string.match(tostring({}), '0x(%x+)'), 16)) % 2147483647)

local function new_trace_id()
  return string.format('1-%08x-%08x%08x%08x', os.time(), math.random(0, 0x7fffffff),
    math.random(0, 0x7fffffff), math.random(0, 0x7fffffff))
end

local function trace(headers)
  local given = headers:get('x-amzn-trace-id')
  if given == nil then
    headers:add('x-amzn-trace-id', 'Root=' .. new_trace_id())
  elseif string.find(given, 'Root=', 1, true) then
    headers:replace('x-amzn-trace-id', 'Self=' .. new_trace_id() .. ';' .. given)
  else
    headers:replace('x-amzn-trace-id', 'Root=' .. new_trace_id() .. ';' .. given)
  end
end

local function redirect(handle, headers, template)
  local path, query = string.match(headers:get(':path'), '^/?([^?]*)%??(.*)$')
  local value = {
    protocol = template.listener_protocol,
    host = string.gsub(headers:get(':authority') or '', ':%d+$', ''),
    port = template.listener_port,
    path = path,
    query = query,
  }
  local function fill(text)
    return (string.gsub(text, '#{(%w+)}', value))
  end
  local location = fill(template.protocol) .. '://' .. fill(template.host) .. ':' .. fill(template.port)
    .. fill(template.path)
  local new_query = fill(template.query)
  if new_query ~= '' then
    location = location .. '?' .. new_query
  end
  handle:respond({
    [':status'] = template.status,
    ['server'] = 'awselb/2.0',
    ['content-type'] = 'text/html',
    ['location'] = location,
  }, template.body)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local template = handle:metadata():get('redirect')
  if template ~= nil then
    redirect(handle, headers, template)
  else
    trace(headers)
  end
end
