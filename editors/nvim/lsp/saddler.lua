-- Read by `vim.lsp.enable('saddler')` in Neovim 0.11 and newer.
return require('saddler').server_config()
