import { defineConfig } from 'vite';

// A page for one browser on this machine: nothing is made small.
export default defineConfig({
  esbuild: { jsx: 'automatic' },
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'globalThis' },
  build: { minify: false, target: 'es2022', chunkSizeWarningLimit: 99999 },
  logLevel: 'warn',
});
