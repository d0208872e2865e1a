-- A client for `saddler lsp`: starts it, passes its commands on and shows what runs print. Everything that is known
-- about workflows is known by the server.

local detect = require('saddler.detect')
local output = require('saddler.output')

local M = {}

local NAME = 'saddler'

local options = { cmd = { 'saddler', 'lsp' } }

--- Tokens of progress that can be cancelled, by client.
--- @type table<integer, table<string|integer, true>>
local running = {}

local function notify(message, level)
  vim.notify('saddler: ' .. message, level or vim.log.levels.INFO)
end

local function has_dag(buf)
  return vim.api.nvim_buf_is_loaded(buf)
    and vim.bo[buf].buftype == ''
    and detect.is_dag(vim.api.nvim_buf_get_lines(buf, 0, -1, false))
end

local function root_of(buf)
  return vim.fs.root(buf, '.git') or vim.fs.dirname(vim.api.nvim_buf_get_name(buf))
end

--- Settings; all are optional, and calling this is too.
--- @param settings { cmd?: string[], output?: { height?: integer } }
function M.setup(settings)
  options = vim.tbl_deep_extend('force', options, settings or {})
  output.configure(options.output or {})
  if vim.lsp.config then
    vim.lsp.config(NAME, { cmd = options.cmd })
  end
end

--- What to start, in the form of `vim.lsp.Config`.
function M.server_config()
  return {
    cmd = options.cmd,
    filetypes = { 'yaml' },
    -- Calling back is what starts the server for a buffer.
    root_dir = function(buf, start)
      if has_dag(buf) then
        start(root_of(buf))
      end
    end,
    handlers = {
      ['saddler/runEvent'] = function(_, params)
        output.on_event(params)
      end,
    },
  }
end

--- Starts the server for a buffer that holds a workflow, or hands the buffer to one that runs.
--- @param buf integer
function M.attach(buf)
  if #vim.lsp.get_clients({ bufnr = buf, name = NAME }) > 0 or not has_dag(buf) then
    return
  end
  local config = vim.deepcopy(vim.lsp.config and vim.lsp.config[NAME] or M.server_config())
  config.name = NAME
  config.root_dir = root_of(buf)
  if type(config.cmd) == 'table' and vim.fn.executable(config.cmd[1]) == 0 then
    vim.notify_once(
      ('saddler: no program `%s`; install it, or name it with require("saddler").setup({ cmd = … })'):format(config.cmd[1]),
      vim.log.levels.WARN
    )
    return
  end
  vim.lsp.start(config, { bufnr = buf })
end

--- Asks for the code actions at the cursor and carries out the one with this command.
local function run_action(command)
  if #vim.lsp.get_clients({ bufnr = 0, name = NAME }) == 0 then
    return notify('this buffer holds no workflow that the server has seen', vim.log.levels.WARN)
  end
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      local name = type(action.command) == 'table' and action.command.command or action.command
      return name == command
    end,
  })
end

function M.run_step()
  run_action('saddler.runStep')
end

function M.run_dag()
  run_action('saddler.runDag')
end

--- Sees the progress of every server; remembers what of ours can be cancelled.
--- @param data { client_id: integer, params: { token: string|integer, value: table } }
function M.on_progress(data)
  local client = vim.lsp.get_client_by_id(data.client_id)
  if not client or client.name ~= NAME then
    return
  end
  local token, value = data.params.token, data.params.value
  local tokens = running[client.id] or {}
  running[client.id] = tokens
  if value.kind == 'begin' and value.cancellable then
    tokens[token] = true
  elseif value.kind == 'end' then
    tokens[token] = nil
  end
end

--- Stops every run in progress.
function M.cancel()
  local cancelled = 0
  for _, client in ipairs(vim.lsp.get_clients({ name = NAME })) do
    for token in pairs(running[client.id] or {}) do
      local method, params = 'window/workDoneProgress/cancel', { token = token }
      if vim.fn.has('nvim-0.11') == 1 then
        client:notify(method, params)
      else
        client.notify(method, params)
      end
      cancelled = cancelled + 1
    end
  end
  if cancelled == 0 then
    notify('nothing is running')
  end
end

function M.show_output()
  if not output.show_latest() then
    notify('nothing has run yet')
  end
end

return M
