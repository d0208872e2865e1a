-- Loaded once at start: commands, and the server for buffers that hold a workflow. See doc/saddler.txt.

if vim.g.loaded_saddler then
  return
end
vim.g.loaded_saddler = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.notify('saddler: Neovim 0.10 or newer is needed', vim.log.levels.ERROR)
  return
end

local commands = {
  SaddlerRunStep = { 'run_step', 'Run the step under the cursor' },
  SaddlerRunDag = { 'run_dag', 'Run the workflow of this buffer' },
  SaddlerCancel = { 'cancel', 'Stop every run in progress' },
  SaddlerOutput = { 'show_output', 'Show the output of the latest run' },
}
for name, entry in pairs(commands) do
  vim.api.nvim_create_user_command(name, function()
    require('saddler')[entry[1]]()
  end, { desc = entry[2] })
end

local group = vim.api.nvim_create_augroup('saddler', {})

if vim.lsp.enable then
  -- Neovim 0.11: lsp/saddler.lua says what to start, and `vim.lsp.config('saddler', …)` changes it.
  vim.lsp.enable('saddler')
else
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    pattern = 'yaml',
    callback = function(args)
      require('saddler').attach(args.buf)
    end,
  })
end

-- A new file becomes a workflow only while it is written.
vim.api.nvim_create_autocmd({ 'TextChanged', 'InsertLeave', 'BufWritePost' }, {
  group = group,
  callback = function(args)
    if vim.bo[args.buf].filetype == 'yaml' then
      require('saddler').attach(args.buf)
    end
  end,
})

vim.api.nvim_create_autocmd('LspProgress', {
  group = group,
  callback = function(args)
    require('saddler').on_progress(args.data)
  end,
})
